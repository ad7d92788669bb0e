// weft convert: a weights file of any kind that weft reads, written as safetensors.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/safetensors.h"
#include "core/weights.h"
#include "models/weights.h"
#include "tools/assemble.h"
#include "tools/commands.h"
#include "tools/flags.h"

namespace weft::cli {
namespace {

bool shapes_net(const train::Setting& setting) {
  constexpr std::string_view kNames[] = {"hidden", "num-classes", "in-chans", "img-size", "act", "pool", "auxiliary"};
  return std::ranges::find(kNames, setting.name) != std::end(kNames);
}

// What other programs keep under these endings is not what would be written.
void check_ending(const std::string& output) {
  for (const std::string_view ending : {".pth", ".pt", ".bin", ".ckpt", ".npz", ".h5", ".onnx"})
    require(!output.ends_with(ending), "convert", "writes safetensors, which a file called ", ending,
            " is not taken for; name it ", output.substr(0, output.size() - ending.size()), ".safetensors");
}

// Floating tensors in another dtype; whole numbers and booleans stay.
void convert_to(DType dtype, NamedTensors& tensors) {
  for (NamedTensor& entry : tensors)
    if (is_floating(entry.tensor.dtype())) entry.tensor = entry.tensor.to(dtype);
}

// The names of a net of ours; everything must fit it.
void adapt(const train::Config& config, NamedTensors& tensors, const std::string& file) {
  const std::unique_ptr<nn::Module> net = models::make_model(config.model, model_options(config));
  tensors = models::adapt_names(*net, tensors, file);
  net->load(tensors);
}

}  // namespace

int convert_command(Arguments arguments) {
  Flags flags("convert", "write a weights file (safetensors, or PyTorch's .pth) as safetensors");
  std::string input, output, dtype, model;
  bool json = false;
  flags.positional("IN", input, "weights: safetensors or .pth, told apart by content");
  flags.positional("OUT", output, "safetensors file; replaced when complete");
  flags.text("--dtype", dtype, "of floating tensors: float32, float64, float16 or bfloat16");
  flags.text("--model", model, "bring names to this net's, and check that all fits");
  flags.on("--json", json, "print {output, tensors, bytes}");
  flags.settings(shapes_net);
  if (!flags.parse(arguments)) return 0;
  require(!input.empty() && !output.empty(), "convert", "give two files: weft convert IN OUT");
  check_ending(output);
  const std::optional<DType> wanted = parse_dtype(dtype);
  require(dtype.empty() || (wanted && is_floating(*wanted)), "--dtype",
          "needs float32, float64, float16 or bfloat16, got '", dtype, "'");

  Metadata metadata;
  NamedTensors tensors = read_weights(input, &metadata);
  if (!model.empty()) {
    train::Config config;
    flags.apply(config);
    config.model = model;
    config.data.clear();
    adapt(config, tensors, input);
  }
  if (wanted) convert_to(*wanted, tensors);
  std::uint64_t bytes = 0;
  for (const NamedTensor& entry : tensors) bytes += entry.tensor.bytes();
  write_safetensors(output, tensors, metadata);
  if (json)
    std::printf(
        "%s\n",
        nlohmann::ordered_json{{"output", output}, {"tensors", tensors.size()}, {"bytes", bytes}}.dump().c_str());
  else
    std::printf("%s: %zu tensors, %.1f MB\n", output.c_str(), tensors.size(), static_cast<double>(bytes) / 1e6);
  return 0;
}

}  // namespace weft::cli
