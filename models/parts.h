// Parts that nets of several families are put together from, and layers that an option of a model chooses by name.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "models/registry.h"
#include "nn/conv2d.h"
#include "nn/linear.h"
#include "nn/pool.h"
#include "nn/sequential.h"

namespace weft::models {

// The first layer of a net on images, "format": the memory format of everything behind it.
WEFT_API nn::NamedModule entrance(const ModelOptions& options);

// Convolution without bias, batch normalisation and ReLU: name.conv and name.bn.
WEFT_API nn::NamedModule conv_bn(std::string name, nn::Conv2dSpec convolution, double eps = 1e-3);

// Global average pooling, dropout where p > 0, and a linear layer: the end of most nets since 2014.
WEFT_API void add_head(nn::Sequential& net, std::int64_t features, const ModelOptions& options,
                       std::string linear = "fc");

// Appends the layer and its activation, two positions of the net.
WEFT_API void add_activated(nn::Sequential& net, nn::Conv2dSpec layer, std::string_view activation);
WEFT_API void add_activated(nn::Sequential& net, nn::LinearOptions layer, std::string_view activation);

// The end of AlexNet and VGG: flatten, two linear layers of 4096 with activation and dropout, and one for the classes.
// The input of the first is what the net makes of one image.
WEFT_API void add_wide_classifier(nn::Sequential& net, const ModelOptions& options, std::string_view activation,
                                  bool dropout_first);

// "avg" or "max"; anything else is an error that names the model.
WEFT_API std::unique_ptr<nn::Module> pooling(std::string_view kind, Pool2dOptions options, std::string_view model);

// What torchvision's ImageNet nets start from; `dropout` none: a net without.
WEFT_API ModelOptions imagenet_options(std::string init, std::vector<double> dropout = {});
// The same for the lecture notes' nets on Fashion-MNIST.
WEFT_API ModelOptions lecture_options(std::int64_t image_size, std::vector<double> dropout = {});

}  // namespace weft::models
