// weft models: the nets known by name, and the layers of one as a table, or with its parameters as JSON.
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "tools/assemble.h"
#include "tools/commands.h"
#include "tools/flags.h"
#include "tools/net_table.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kLargestImage = 2048;

Json sizes(const Sizes& shape) { return std::vector<std::int64_t>(shape.begin(), shape.end()); }

Json to_json(const models::ModelInfo& info) {
  Json parameters = Json::array(), layers = Json::array();
  for (const models::ParameterInfo& p : info.parameters)
    parameters.push_back({{"name", p.name}, {"shape", sizes(p.shape)}});
  for (const nn::LayerSummary& l : info.layers)
    layers.push_back({{"name", l.name},
                      {"type", l.type},
                      {"output_shape", sizes(l.output_shape)},
                      {"parameters", l.parameters},
                      {"macs", l.macs}});
  return {{"name", info.name},
          {"description", info.description},
          {"reference", info.reference},
          {"input_shape", sizes(info.input_shape)},
          {"total_parameters", info.total_parameters},
          {"macs", info.macs},
          {"parameters", std::move(parameters)},
          {"layers", std::move(layers)}};
}

// 938146176 as "938.1 M", 416520 as "0.4 M".
std::string in_millions(std::int64_t count) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f M", static_cast<double>(count) / 1e6);
  return text;
}

int list_models(bool json) {
  Json list = Json::array();
  if (!json)
    std::printf("%-20s %12s %10s  %-14s %s\n", "model", "parameters", "MACs", "input", "what it is; reference");
  for (const std::string& name : models::model_names()) {
    const models::ModelEntry& entry = models::find_model(name);
    const Shape input = models::input_shape(name);
    if (json)
      list.push_back({{"name", name},
                      {"description", entry.description},
                      {"reference", entry.reference},
                      {"input_shape", sizes(input)},
                      {"total_parameters", entry.parameters},
                      {"macs", entry.macs}});
    else
      std::printf("%-20s %12s %10s  %-14s %s; %s\n", name.c_str(), nn::grouped(entry.parameters).c_str(),
                  in_millions(entry.macs).c_str(), to_string(input).c_str(), entry.description.c_str(),
                  entry.reference.c_str());
  }
  if (json) std::printf("%s\n", list.dump().c_str());
  return 0;
}

}  // namespace

int models_command(Arguments arguments) {
  Flags flags("models", "nets known by name; with NAME, its parameters and layers");
  std::string name;
  bool json = false, layers = false;
  flags.positional("NAME", name, "a net");
  flags.on("--layers", layers, "every layer of the net, where the table would show blocks");
  flags.on("--json", json, "print JSON");
  flags.settings([](const train::Setting& setting) {
    for (const char* wanted : {"hidden", "num-classes", "in-chans", "img-size", "act", "pool", "auxiliary"})
      if (setting.name == std::string_view(wanted)) return true;
    return false;
  });
  if (!flags.parse(arguments)) return 0;
  if (name.empty()) return list_models(json);

  train::Config config;
  flags.apply(config);
  config.model = name;
  config.data.clear();
  // Layers are found by running the net on one image.
  require(config.img_size <= kLargestImage, "--img-size", "is at most ", kLargestImage, " here, got ", config.img_size);
  const models::ModelOptions options = model_options(config);
  const models::ModelInfo info = models::describe_model(name, options);
  if (json) {
    std::printf("%s\n", to_json(info).dump().c_str());
    return 0;
  }
  const std::unique_ptr<nn::Module> net = models::make_model(name, options);
  std::printf("%s: %s (%s)\ninput %s\n%s\n", info.name.c_str(), info.description.c_str(), info.reference.c_str(),
              to_string(info.input_shape).c_str(), tools::net_table(*net, info.input_shape, layers).c_str());
  return 0;
}

}  // namespace weft::cli
