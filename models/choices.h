// Layers that an option of a model chooses by name: activations behind a layer, and kinds of pooling.
#pragma once

#include <memory>
#include <string_view>

#include "nn/conv2d.h"
#include "nn/linear.h"
#include "nn/pool.h"
#include "nn/sequential.h"

namespace weft::models {

// Appends the layer and its activation, two positions of the net.
WEFT_API void add_activated(nn::Sequential& net, nn::Conv2dSpec layer, std::string_view activation);
WEFT_API void add_activated(nn::Sequential& net, nn::LinearOptions layer, std::string_view activation);

// "avg" or "max"; anything else is an error that names the model.
WEFT_API std::unique_ptr<nn::Module> pooling(std::string_view kind, Pool2dOptions options, std::string_view model);

}  // namespace weft::models
