// The registry of models: a net by name with options, and what is known about it as data. Lecture models start from
// the lecture notes' initial values; options().init overrides.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/layout.h"
#include "core/shape.h"
#include "nn/module.h"
#include "nn/summary.h"

namespace weft::models {

// What a builder may be asked for. Empty or 0 means the model's own choice. An option that the model does not know,
// one that its defaults leave empty, is refused when it is given.
struct ModelOptions {
  std::int64_t in_channels = 0;                              // of an image; features of a vector
  std::int64_t image_size = 0;                               // height and width
  std::int64_t classes = 0;                                  // outputs
  std::vector<std::int64_t> hidden = {};                     // sizes of the hidden layers
  std::vector<double> dropout = {};                          // one for all, or one per hidden layer
  std::string activation = {};                               // one of nn::activation_names()
  std::string pool = {};                                     // "avg" or "max"
  std::string init = {};                                     // a recipe of nn::init::initialize
  MemoryFormat memory_format = MemoryFormat::channels_last;  // inside convolution nets; others do without
};

struct ModelEntry {
  std::string name;
  std::string description;  // one line
  bool regression = false;  // trained on squared error rather than cross-entropy
  ModelOptions defaults = {};
  // Both get complete options.
  std::unique_ptr<nn::Module> (*build)(const ModelOptions& options) = nullptr;
  Shape (*input_shape)(const ModelOptions& options) = nullptr;  // of one input, without the batch axis
};

// (in_channels, image_size, image_size): the input shape of nets on images.
WEFT_API Shape image_shape(const ModelOptions& options);

// The models of this process, in alphabetical order.
WEFT_API std::vector<std::string> model_names();
WEFT_API const ModelEntry& find_model(std::string_view name);  // unknown: an error that suggests the nearest
// Adds a model; a taken name is an error. Always true, so that registrations can be initialisers.
WEFT_API bool add_model(ModelEntry entry);

// The options with the model's defaults filled in.
WEFT_API ModelOptions complete_options(std::string_view name, const ModelOptions& options = {});
// A net ready to train: built, and started by its init recipe; random numbers come from default_generator().
WEFT_API std::unique_ptr<nn::Module> make_model(std::string_view name, const ModelOptions& options = {});
// The shape of one input, (C, H, W) or (features), without the batch axis.
WEFT_API Shape input_shape(std::string_view name, const ModelOptions& options = {});

// What `weft models NAME` tells.
struct ParameterInfo {
  std::string name;
  Shape shape;
};
struct ModelInfo {
  std::string name, description;
  Shape input_shape;  // one sample
  std::int64_t total_parameters = 0;
  std::int64_t macs = 0;                       // of one sample
  std::vector<ParameterInfo> parameters = {};  // in file order
  std::vector<nn::LayerSummary> layers = {};   // output shapes with a batch axis of 1
};
// Builds the model to look at it; default_generator() is left as it was.
WEFT_API ModelInfo describe_model(std::string_view name, const ModelOptions& options = {});

}  // namespace weft::models
