#include "tools/weights_flags.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "train/run_folder.h"

namespace weft::cli {
namespace {

// Settings that say what the net and its data are, not how it is trained.
bool describes_net(const train::Setting& setting) {
  constexpr std::string_view kTrainingOnly[] = {"pretrained", "init", "drop", "batch-size"};
  constexpr std::string_view kProcess[] = {"device", "threads", "seed", "amp", "amp-dtype"};
  const std::string_view name = setting.name, group = setting.group;
  if (std::ranges::find(kProcess, name) != std::end(kProcess)) return true;
  if (std::ranges::find(kTrainingOnly, name) != std::end(kTrainingOnly)) return false;
  return group == "Model" || group == "Data";
}

// The same where data only lends its names.
bool describes_net_alone(const train::Setting& setting) {
  return describes_net(setting) &&
         (setting.group != std::string_view("Data") || setting.name == std::string_view("data"));
}

}  // namespace

WeightsFlags::WeightsFlags(Flags& flags, Data data) : data_(data) {
  flags.group("Weights");
  flags.text("--weights", weights_, "safetensors or .pth file");
  flags.text("--run", run_, "run folder: its model and data, and its last weights");
  flags.settings(data == Data::optional ? describes_net_alone : describes_net);
  flags.group("Output");
}

train::Config WeightsFlags::config(const Flags& flags) const {
  require(weights_.empty() != run_.empty(), "weights", "give either --weights FILE or --run DIR");
  train::Config config;
  config.pretrained = weights_;
  if (data_ == Data::optional) config.data.clear();
  if (!run_.empty()) {
    const std::filesystem::path folder = run_;
    require(std::filesystem::exists(folder / train::kConfigFile), "--run", run_, " holds no run: there is no ",
            train::kConfigFile);
    merge_file(config, folder / train::kConfigFile);
    config.pretrained = (folder / train::kLastWeights).string();
  }
  flags.apply(config);
  flags.check(config);
  return config;
}

}  // namespace weft::cli
