// The registry of models: a net by name with options, and what is known about it as data. Lecture models start from
// the lecture notes' initial values; options().init overrides.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
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
  std::string auxiliary = {};                                // "on" or "off": further classifiers in training
  std::string moving_variance = {};                          // "biased" (the lecture notes) or "unbiased" (PyTorch)
  std::string init = {};                                     // a recipe of nn::init::initialize
  MemoryFormat memory_format = MemoryFormat::channels_last;  // inside convolution nets; others do without
};

// (in_channels, image_size, image_size): the input shape of nets on images.
WEFT_API Shape image_shape(const ModelOptions& options);

// Builds a net from complete options: any function that returns a module, or a pointer to one.
class ModelBuilder {
 public:
  ModelBuilder() = default;
  template <std::invocable<const ModelOptions&> Function>
  ModelBuilder(Function function)  // NOLINT(google-explicit-constructor): a function is a builder
      : build_([function = std::move(function)](const ModelOptions& options) -> std::unique_ptr<nn::Module> {
          using Result = std::invoke_result_t<const Function&, const ModelOptions&>;
          if constexpr (std::derived_from<Result, nn::Module>)
            return std::make_unique<Result>(function(options));
          else
            return function(options);
        }) {}
  std::unique_ptr<nn::Module> operator()(const ModelOptions& options) const { return build_(options); }
  explicit operator bool() const { return static_cast<bool>(build_); }

 private:
  std::function<std::unique_ptr<nn::Module>(const ModelOptions&)> build_;
};

struct ModelEntry {
  std::string name;
  std::string description;     // one line
  std::string reference = {};  // where the net comes from
  bool regression = false;     // trained on squared error rather than cross-entropy
  ModelOptions defaults = {};
  ModelBuilder build = {};
  void (*after_init)(nn::Module& net) = nullptr;                    // what the default recipe leaves to the net itself
  Shape (*input_shape)(const ModelOptions& options) = image_shape;  // of one input, without the batch axis
  // Of the net with its default options, for lists; a test holds them to describe_model().
  std::int64_t parameters = 0;
  std::int64_t macs = 0;
};

// How many features the net makes of one image, all axes together: what a linear layer behind it takes. An image too
// small for the net is the error of the layer at which it vanishes.
WEFT_API std::int64_t features_of(nn::Module& net, const ModelOptions& options);

// The models of this process, in alphabetical order.
WEFT_API std::vector<std::string> model_names();
WEFT_API const ModelEntry& find_model(std::string_view name);  // unknown: an error that suggests the nearest
// Adds a model; a taken name is an error. Always true, so that registrations can be initialisers.
WEFT_API bool add_model(ModelEntry entry);

// The options with the model's defaults filled in.
WEFT_API ModelOptions complete_options(std::string_view name, const ModelOptions& options = {});
// A net ready to train: built, and started by its init recipe; random numbers come from default_generator(). Images too
// small for the net are an error that names the layer at which they vanish.
WEFT_API std::unique_ptr<nn::Module> make_model(std::string_view name, const ModelOptions& options = {});
// The shape of one input, (C, H, W) or (features), without the batch axis.
WEFT_API Shape input_shape(std::string_view name, const ModelOptions& options = {});

// What `weft models NAME` tells.
struct ParameterInfo {
  std::string name;
  Shape shape;
};
struct ModelInfo {
  std::string name, description, reference;
  Shape input_shape;  // one sample
  std::int64_t total_parameters = 0;
  std::int64_t macs = 0;                       // of one sample
  std::vector<ParameterInfo> parameters = {};  // in file order
  std::vector<nn::LayerSummary> layers = {};   // output shapes with a batch axis of 1
};
// Builds the model to look at it; default_generator() is left as it was.
WEFT_API ModelInfo describe_model(std::string_view name, const ModelOptions& options = {});

}  // namespace weft::models
