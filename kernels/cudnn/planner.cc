// The CUDA module's KernelPlanner: cuDNN's answers for a described GPU. Also how profiles are found and read.
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/runtime/kernel_planner.h"
#include "core/runtime/runtime.h"
#include "core/suggest.h"
#include "kernels/cudnn/graph.h"
#include "kernels/cudnn/profiles.h"

namespace weft::cudnn {
namespace {

// The call as cuDNN's graphs know it.
Convolution convolution_of(const ConvolutionCall& call) {
  const auto is = [&](const Convolution& v) { return call.slot == slot_of(v); };
  for (const Direction direction : {Direction::forward, Direction::backward_data, Direction::backward_weight}) {
    const bool forward = direction == Direction::forward;
    Convolution plain = convolution(direction, call.dtype, call.format, call.x, call.weight, call.options);
    Convolution normalized = plain, statistics = plain;
    plain.bias = forward && call.bias;
    if (is(plain)) return plain;
    normalized.normalized = true;
    normalized.statistics = statistics.statistics = forward;
    if (is(normalized)) return normalized;
    if (is(statistics)) return statistics;
    if (forward && call.slot == "conv2d_bias_relu_forward") {
      plain.relu = true;
      return plain;
    }
  }
  fail(ErrorKind::usage, "plan", "'", call.slot, "' is no slot of conv2d");
}

class Planner final : public KernelPlanner {
 public:
  std::vector<std::string> gpus() const override {
    std::vector<std::string> names;
    for (const Profile& profile : profiles()) names.emplace_back(profile.name);
    return names;
  }
  std::string describe(const std::string& gpu) const override {
    return message(title_of(properties_of(gpu), gpu), "; cuDNN ", library_version(), ", front end ",
                   frontend_version());
  }
  std::string properties(const std::string& gpu) const override { return properties_of(gpu); }
  PlannedKernel plan(const std::string& gpu, const ConvolutionCall& call) const override {
    const Convolution wanted = convolution_of(call);
    const std::lock_guard lock(mutex_);
    std::unique_ptr<Gpu>& described = gpus_[gpu];
    if (!described) described = described_gpu(properties_of(gpu), gpu);
    const Outcome outcome = build_plan(wanted, *described);
    if (!outcome.plan) return {.refusal = outcome.refusal};
    return {.candidate = "cudnn.graph",
            .engine = outcome.plan->engine(),
            .workspace_bytes = outcome.plan->workspace_bytes()};
  }

 private:
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::unique_ptr<Gpu>> gpus_;
};

[[maybe_unused]] const bool registered = register_kernel_planner(new Planner);

}  // namespace

std::string properties_of(const std::string& gpu) {
  std::vector<std::string> names;
  for (const Profile& profile : profiles()) {
    if (gpu == profile.name) return std::string(profile.properties);
    names.emplace_back(profile.name);
  }
  if (gpu == "cuda" || gpu.starts_with("cuda:")) {
    const Device device = parse_device(gpu);
    const int count = runtime(DeviceKind::cuda).devices();
    require(device.index < count, "plan", "there is no ", gpu, "; this machine has ", count);
    return own_properties(device.index);
  }
  require(gpu.find('/') != gpu.npos || gpu.ends_with(".json"), "plan", "unknown GPU '", gpu, "'",
          suggestion(gpu, names), "; cuda:0 or a file of device properties (.json) may be named too");
  return read_text_file(gpu);
}

std::string title_of(std::string_view properties, const std::string& where) {
  const nlohmann::json json = nlohmann::json::parse(properties, nullptr, false);
  require_data(json.is_object() && json.contains("deviceName") && json["deviceName"].is_string() &&
                   json.contains("deviceVer") && json["deviceVer"].is_number_integer(),
               where, "is no JSON object with deviceName and deviceVer");
  const int version = json["deviceVer"].get<int>();  // 890: 8.9
  return message(json["deviceName"].get<std::string>(), ", compute capability ", version / 100, ".", version / 10 % 10);
}

}  // namespace weft::cudnn
