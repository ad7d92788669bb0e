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

// What a builder may be asked for. Empty or 0 means the model's own choice; an option that a model cannot honour is
// an error that says so.
struct ModelOptions {
  std::int64_t in_channels = 0;
  std::int64_t classes = 0;     // outputs
  std::int64_t image_size = 0;  // height and width of the input
  std::vector<std::int64_t> hidden = {};  // mlp: sizes of the hidden layers
  std::vector<double> dropout = {};       // one for all, or one per hidden layer
  std::string activation = {};            // nn::activation_names()
  std::string pool = {};                  // "avg" or "max"
  std::string init = {};                  // a recipe of nn::init::initialize
  MemoryFormat memory_format = MemoryFormat::channels_last;  // inside convolution nets
};

struct ModelEntry {
  std::string name;
  std::string description;  // one line
  bool regression = false;  // trained on squared error rather than cross-entropy
  ModelOptions defaults;    // every option the model honours is set here
  std::unique_ptr<nn::Module> (*build)(const ModelOptions& options) = nullptr;
  // The shape of one input, without the batch axis.
  Shape (*input_shape)(const ModelOptions& options) = nullptr;
};

// The models of this process, by name. A user's own joins in with add_model() before it is asked for.
WEFT_API std::vector<std::string> model_names();
WEFT_API const ModelEntry& find_model(std::string_view name);  // unknown: an error that suggests the nearest
WEFT_API void add_model(ModelEntry entry);

// A net ready to train: built, and started by the init recipe; its random numbers come from default_generator().
WEFT_API std::unique_ptr<nn::Module> make_model(std::string_view name, const ModelOptions& options = {});
// The options with the model's defaults filled in: what make_model() used.
WEFT_API ModelOptions complete_options(std::string_view name, const ModelOptions& options);
// The shape of one input (C, H, W) or (features), without the batch axis.
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
  std::int64_t macs = 0;  // of one sample
  std::vector<ParameterInfo> parameters;  // in file order
  std::vector<nn::LayerSummary> layers;   // output shapes with a batch axis of 1
};
WEFT_API ModelInfo describe_model(std::string_view name, const ModelOptions& options = {});

}  // namespace weft::models
