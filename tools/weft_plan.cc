// weft plan: what a training step will take, without running it. --memory adds up its tensors; --kernels lists the
// kernels that NVIDIA's libraries choose on a GPU that is not here for a net's convolutions, with their workspace, and
// its matrix products; --properties prints what is known of the GPU for that.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/numerics.h"
#include "core/runtime/kernel_planner.h"
#include "tools/assemble.h"
#include "tools/commands.h"
#include "tools/flags.h"
#include "tools/planned_calls.h"
#include "tools/planned_memory.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;
using tools::PlannedCall;

struct Wanted {
  std::string gpu = "h200";
  DType dtype = DType::f32;
  bool kernels = false, memory = false, properties = false, tf32 = false, json = false;
  std::int64_t workspace_mib = Numerics{}.workspace_limit >> 20;
};

// "256x64x56x56 * 64x64x3x3 stride 2 padding 1"
std::string joined(const Shape& shape) {
  std::string out;
  for (const std::int64_t size : shape) out += (out.empty() ? "" : "x") + std::to_string(size);
  return out;
}
std::string joined(const Pair& pair) {
  return pair.h == pair.w ? std::to_string(pair.h) : message(pair.h, "x", pair.w);
}
std::string sizes_of(const PlannedCall& call) {
  std::string out = joined(call.first) + " * " + joined(call.second);
  if (!call.convolution) return out;
  const Conv2dOptions plain;
  if (!(call.options.stride == plain.stride)) out += " stride " + joined(call.options.stride);
  if (!(call.options.padding == plain.padding)) out += " padding " + joined(call.options.padding);
  if (!(call.options.dilation == plain.dilation)) out += " dilation " + joined(call.options.dilation);
  if (call.options.groups != 1) out += message(" groups ", call.options.groups);
  return out;
}

PlannedKernel planned(const PlannedCall& call, const Wanted& wanted, MemoryFormat format) {
  // cuBLASLt answers only to a driver.
  if (!call.convolution) return {.candidate = "cublas.lt", .engine = "chosen on the GPU"};
  return kernel_planner().plan(wanted.gpu, {.slot = call.slot,
                                            .dtype = wanted.dtype,
                                            .format = format,
                                            .x = call.first,
                                            .weight = call.second,
                                            .options = call.options,
                                            .bias = call.bias});
}

Json to_json(const PlannedCall& call, const PlannedKernel& kernel) {
  const auto sizes = [](const Shape& shape) { return std::vector<std::int64_t>(shape.begin(), shape.end()); };
  Json entry = {{"layer", call.layer},          {"slot", call.slot},      {"first", sizes(call.first)},
                {"second", sizes(call.second)}, {"bias", call.bias},      {"calls", call.times},
                {"kernel", kernel.candidate},   {"engine", kernel.engine}};
  if (call.convolution) {
    const Conv2dOptions& o = call.options;
    entry["stride"] = {o.stride.h, o.stride.w};
    entry["padding"] = {o.padding.h, o.padding.w};
    entry["dilation"] = {o.dilation.h, o.dilation.w};
    entry["groups"] = o.groups;
    entry["workspace_bytes"] = kernel.workspace_bytes;
  }
  if (!kernel.refusal.empty()) entry["refusal"] = kernel.refusal;
  return entry;
}

void print_row(const PlannedCall& call, const PlannedKernel& kernel) {
  std::printf("%-16s %-33s x%-3lld %-52s ", call.layer.c_str(), call.slot.c_str(), static_cast<long long>(call.times),
              (sizes_of(call) + (call.bias ? " + bias" : "")).c_str());
  if (!kernel.refusal.empty())
    std::printf("weft's own: %s\n", kernel.refusal.c_str());
  else if (call.convolution)
    std::printf("%s %s, %.1f MiB\n", kernel.candidate.c_str(), kernel.engine.c_str(),
                static_cast<double>(kernel.workspace_bytes) / (1 << 20));
  else
    std::printf("%s, %s\n", kernel.candidate.c_str(), kernel.engine.c_str());
}

void add_flags(Flags& flags, Wanted& wanted) {
  flags.on("--kernels", wanted.kernels, "the libraries' kernels for convolutions and matrix products");
  flags.on("--memory", wanted.memory, "the memory of a training step's tensors");
  flags.on("--properties", wanted.properties, "the GPU's properties in JSON, as --gpu reads them from a file");
  flags.text("--gpu", wanted.gpu, "h200, h100, a100, rtx4090, this machine's cuda:0, or a file of properties (.json)");
  flags.each(
      "--dtype",
      [&wanted](const std::string& text) {
        const std::optional<DType> dtype = parse_dtype(text);
        require(dtype && is_floating(*dtype), "plan", "--dtype '", text, "' is none of f32 f64 f16 bf16");
        wanted.dtype = *dtype;
      },
      "of weights and images: f32, f64, f16 or bf16", "f32");
  flags.on("--tf32", wanted.tf32, "tensor cores may round f32 to TF32");
  flags.whole("--workspace-limit", wanted.workspace_mib, "MiB of scratch memory a kernel may take", 0, 1 << 20);
  flags.on("--json", wanted.json, "print JSON");
  flags.settings([](const train::Setting& setting) {
    for (const char* name : {"model", "hidden", "num-classes", "in-chans", "img-size", "act", "pool", "auxiliary",
                             "batch-size", "memory-format", "opt", "momentum", "amp", "amp-dtype"})
      if (setting.name == std::string_view(name)) return true;
    return false;
  });
}

void print_plan(const Wanted& wanted, const train::Config& config) {
  const models::ModelOptions options = model_options(config);
  const std::string gpu = kernel_planner().describe(wanted.gpu);
  const auto net = models::make_model(config.model, options);
  const bool norm_inside = wanted.dtype == DType::f16 && options.memory_format == MemoryFormat::channels_last;
  Json list = Json::array();
  if (!wanted.json)
    std::printf("%s\n%s, batch %lld, %s, %s\n", gpu.c_str(), config.model.c_str(),
                static_cast<long long>(config.batch_size), to_string(wanted.dtype).c_str(),
                to_string(options.memory_format).c_str());
  for (const PlannedCall& call :
       tools::planned_calls(*net, models::input_shape(config.model, options), config.batch_size, norm_inside)) {
    const PlannedKernel kernel = planned(call, wanted, options.memory_format);
    if (wanted.json)
      list.push_back(to_json(call, kernel));
    else
      print_row(call, kernel);
  }
  if (wanted.json)
    std::printf("%s\n", Json{{"gpu", gpu},
                             {"model", config.model},
                             {"batch_size", config.batch_size},
                             {"dtype", to_string(wanted.dtype)},
                             {"memory_format", to_string(options.memory_format)},
                             {"calls", std::move(list)}}
                            .dump()
                            .c_str());
}

void print_memory(const train::Config& config, bool json) {
  const tools::PlannedMemory plan = tools::planned_memory(config);
  if (json) {
    std::printf("%s\n", Json{{"model", config.model},
                             {"batch_size", config.batch_size},
                             {"weights_bytes", plan.weights},
                             {"gradients_bytes", plan.gradients},
                             {"optimizer_bytes", plan.optimizer},
                             {"kept_bytes", plan.kept},
                             {"transient_bytes", plan.transient},
                             {"peak_bytes", plan.peak()}}
                            .dump()
                            .c_str());
    return;
  }
  std::printf("%s, batch %lld\n", config.model.c_str(), static_cast<long long>(config.batch_size));
  const std::pair<const char*, std::int64_t> rows[] = {
      {"weights", plan.weights},        {"gradients", plan.gradients},         {"optimizer", plan.optimizer},
      {"kept for backward", plan.kept}, {"transient at most", plan.transient}, {"peak", plan.peak()}};
  for (const auto& [what, bytes] : rows)
    std::printf("%-18s %10.1f MiB\n", what, static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

int plan_command(Arguments arguments) {
  Flags flags("plan", "what a training step will take: its memory, or its kernels on a GPU that is not here");
  Wanted wanted;
  add_flags(flags, wanted);
  if (!flags.parse(arguments)) return 0;
  if (wanted.properties) {
    std::printf("%s\n", kernel_planner().properties(wanted.gpu).c_str());
    return 0;
  }
  require(wanted.kernels || wanted.memory, "plan",
          "say what to plan; --kernels lists the kernels of a net, --memory what a training step holds");
  train::Config config;
  flags.apply(config);
  flags.check(config);
  require(flags.given("model"), "plan", "--model is needed; weft models lists the names");
  config.data.clear();
  if (wanted.memory) print_memory(config, wanted.json);
  if (!wanted.kernels) return 0;
  Numerics allowed = numerics();
  allowed.tf32 = wanted.tf32;
  allowed.workspace_limit = wanted.workspace_mib << 20;
  set_numerics(allowed);
  print_plan(wanted, config);
  return 0;
}

}  // namespace weft::cli
