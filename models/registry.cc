#include "models/registry.h"

#include <map>
#include <mutex>

#include "core/generator.h"
#include "core/suggest.h"
#include "nn/init.h"

namespace weft::models {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<std::string, ModelEntry, std::less<>> entries;  // addresses stay: entries are never removed
};
Registry& registry() {
  static Registry instance;
  return instance;
}

// Takes what was asked for over the default, and refuses what the model has no default for.
template <typename T>
void choose(T& chosen, const T& asked, const char* option, std::string_view model) {
  if (asked == T{}) return;
  require(chosen != T{}, model, "this model has no option '", option, "'");
  chosen = asked;
}

// A batch of one sample of that shape.
Shape one(Shape sample) {
  sample.insert(0, 1);
  return sample;
}

}  // namespace

Shape image_shape(const ModelOptions& options) { return {options.in_channels, options.image_size, options.image_size}; }

namespace {

// What run() gives; the layer's words about an input that vanishes in it get the input's size in front.
template <typename Run>
auto fitting(const Shape& sample, const Run& run) {
  try {
    return run();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    fail(ErrorKind::usage, "models", "samples of shape ", sample, " do not fit the net; ", error.what());
  }
}

}  // namespace

std::int64_t features_of(nn::Module& net, const ModelOptions& options) {
  const Shape image = image_shape(options);
  return fitting(image, [&] { return nn::output_shape(net, one(image)).elements(); });
}

std::vector<std::string> model_names() {
  const std::scoped_lock lock(registry().mutex);
  std::vector<std::string> names;
  for (const auto& [name, entry] : registry().entries) names.push_back(name);
  return names;
}

const ModelEntry& find_model(std::string_view name) {
  {
    const std::scoped_lock lock(registry().mutex);
    const auto found = registry().entries.find(name);
    if (found != registry().entries.end()) return found->second;
  }
  fail(ErrorKind::usage, "model", "unknown model '", name, "'", suggestion(name, model_names()));
}

bool add_model(ModelEntry entry) {
  require(entry.build && entry.input_shape != nullptr, "add_model", "'", entry.name,
          "' needs a builder and an input shape");
  const std::scoped_lock lock(registry().mutex);
  const std::string name = entry.name;
  require(registry().entries.emplace(name, std::move(entry)).second, "add_model", "the name '", name,
          "' is taken already");
  return true;
}

ModelOptions complete_options(std::string_view name, const ModelOptions& asked) {
  const ModelEntry& entry = find_model(name);
  require(asked.in_channels >= 0 && asked.image_size >= 0 && asked.classes >= 0, name,
          "channels, image size and classes must be positive");
  ModelOptions chosen = entry.defaults;
  choose(chosen.in_channels, asked.in_channels, "in_channels", name);
  choose(chosen.image_size, asked.image_size, "image_size", name);
  choose(chosen.classes, asked.classes, "classes", name);
  choose(chosen.hidden, asked.hidden, "hidden", name);
  choose(chosen.dropout, asked.dropout, "dropout", name);
  choose(chosen.activation, asked.activation, "activation", name);
  choose(chosen.pool, asked.pool, "pool", name);
  choose(chosen.auxiliary, asked.auxiliary, "auxiliary", name);
  choose(chosen.moving_variance, asked.moving_variance, "moving_variance", name);
  choose(chosen.init, asked.init, "init", name);
  chosen.memory_format = asked.memory_format;
  return chosen;
}

std::unique_ptr<nn::Module> make_model(std::string_view name, const ModelOptions& options) {
  const ModelOptions chosen = complete_options(name, options);
  const ModelEntry& entry = find_model(name);
  std::unique_ptr<nn::Module> net = entry.build(chosen);
  const Shape sample = entry.input_shape(chosen);
  fitting(sample, [&] { return nn::output_shape(*net, one(sample)); });
  nn::init::initialize(*net, chosen.init);
  if (entry.after_init && chosen.init == entry.defaults.init) entry.after_init(*net);
  return net;
}

Shape input_shape(std::string_view name, const ModelOptions& options) {
  return find_model(name).input_shape(complete_options(name, options));
}

ModelInfo describe_model(std::string_view name, const ModelOptions& options) {
  const ModelEntry& entry = find_model(name);
  const ModelOptions chosen = complete_options(name, options);
  const Generator before = default_generator();
  const std::unique_ptr<nn::Module> net = entry.build(chosen);
  default_generator() = before;

  ModelInfo info{.name = entry.name,
                 .description = entry.description,
                 .reference = entry.reference,
                 .input_shape = entry.input_shape(chosen)};
  nn::Summary summary = fitting(info.input_shape, [&] { return nn::summarize(*net, one(info.input_shape)); });
  info.total_parameters = summary.total_parameters;
  info.macs = summary.macs;
  info.layers = std::move(summary.layers);
  for (const auto& [path, parameter] : net->named_parameters()) info.parameters.push_back({path, parameter.shape()});
  return info;
}

}  // namespace weft::models
