// weft bench: the medians of a training step and its parts, on random data that is on the device already. On a device
// other than the CPU whole steps are also timed without waiting in between, op by op or recorded and replayed; and
// --by-kernel says where the time of a step goes.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "core/autocast.h"
#include "core/ops/random.h"
#include "core/runtime/capture.h"
#include "core/runtime/runtime.h"
#include "optim/grad_scaler.h"
#include "tools/assemble.h"
#include "tools/commands.h"
#include "tools/flags.h"
#include "tools/kernel_times.h"
#include "tools/planned_memory.h"

namespace weft::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct StepTimes {
  std::vector<double> step, forward, backward, update;  // ms
};

Clock::time_point now(Device device) { return synchronize(device), Clock::now(); }
double ms_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// A batch of noise that fits the net: images and classes, or features and numbers.
data::Batch random_batch(const train::Config& config, std::int64_t samples) {
  const models::ModelOptions options = models::complete_options(config.model, model_options(config));
  Shape shape = models::input_shape(config.model, options);
  shape.insert(0, samples);
  const RandomStream stream{0, stream_number(RandomPurpose::synthetic, 0)};
  const Device device = device_of(config);
  data::Batch batch{.input = empty(shape), .target = {}};
  uniform_(batch.input, 0, 1, stream);
  if (models::find_model(config.model).regression) {
    batch.target = zeros({samples, options.classes});
  } else {
    batch.target = empty({samples}, {.dtype = DType::i64});
    for (std::int64_t i = 0; i < samples; ++i) batch.target.data<std::int64_t>()[i] = i % options.classes;
  }
  return {batch.input.to(device), batch.target.to(device)};
}

// The parts of a training step, in mixed precision where the configuration says so.
class Step {
 public:
  explicit Step(const train::Config& config)
      : amp_(amp_of(config)),
        net_(make_net(config)),
        optimizer_(make_optimizer(config, *net_)),
        objective_(make_objective(config)) {
    if (amp_ == DType::f16) scaler_.emplace(device_of(config));
  }
  Tensor forward(const data::Batch& batch) {
    const Autocast autocast(amp_);
    return objective_.loss((*net_)(batch.input), batch.target);
  }
  void backward(const Tensor& loss) {
    optimizer_->zero_grad();
    (scaler_ ? scaler_->scale(loss) : loss).backward();
  }
  void advance() { optimizer_->advance(); }
  void update() {
    if (!scaler_) return optimizer_->apply();
    scaler_->unscale(*optimizer_);
    scaler_->apply(*optimizer_);
  }

 private:
  std::optional<DType> amp_;
  std::unique_ptr<nn::Module> net_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  train::Objective objective_;
  std::optional<optim::GradScaler> scaler_;
};

// Waits for the device between the parts, so that each is charged with its own work.
StepTimes time_steps(const train::Config& config, const data::Batch& batch, std::int64_t warm_up, std::int64_t steps) {
  Step step(config);
  const Device device = device_of(config);
  StepTimes times;
  for (std::int64_t i = -warm_up; i < steps; ++i) {
    const auto begin = now(device);
    const Tensor loss = step.forward(batch);
    const auto forward_done = now(device);
    step.backward(loss);
    const auto backward_done = now(device);
    step.advance(), step.update();
    const auto end = now(device);
    if (i < 0) continue;
    times.step.push_back(ms_between(begin, end));
    times.forward.push_back(ms_between(begin, forward_done));
    times.backward.push_back(ms_between(forward_done, backward_done));
    times.update.push_back(ms_between(backward_done, end));
  }
  return times;
}

// ms a step when the host runs ahead of the device, as in training: medians over groups of up to ten steps.
double time_stream_of_steps(const train::Config& config, const data::Batch& batch, std::int64_t warm_up,
                            std::int64_t steps) {
  const std::int64_t group = std::min<std::int64_t>(steps, 10);
  Step step(config);
  const Device device = device_of(config);
  const auto work = [&] {
    step.backward(step.forward(batch));
    step.update();
  };
  for (std::int64_t i = 0; i < std::max<std::int64_t>(warm_up, 1); ++i) step.advance(), work();
  std::optional<CapturedStep> captured;
  if (config.capture) {
    captured.emplace(device);
    step.advance();
    captured->record(work);
    captured->replay();
  }
  std::vector<double> times;
  for (std::int64_t i = 0; i < steps; i += group) {
    const auto begin = now(device);
    for (std::int64_t k = 0; k < group; ++k) {
      step.advance();
      captured ? captured->replay() : work();
    }
    times.push_back(ms_between(begin, now(device)) / static_cast<double>(group));
  }
  return median(times);
}

// Steps run op by op, kernel call by kernel call.
std::vector<tools::KernelTime> time_kernels(const train::Config& config, const data::Batch& batch,
                                            std::int64_t warm_up) {
  constexpr int steps = 3;
  Step step(config);
  const auto run = [&] {
    step.advance();
    step.backward(step.forward(batch));
    step.update();
  };
  for (std::int64_t i = 0; i < std::max<std::int64_t>(warm_up, 1); ++i) run();
  synchronize(device_of(config));
  tools::KernelTimes listener(device_of(config));
  for (int i = 0; i < steps; ++i) run(), listener.end_step();
  return listener.times();
}

nlohmann::ordered_json to_json(const std::vector<tools::KernelTime>& kernels) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const tools::KernelTime& k : kernels)
    list.push_back({{"slot", k.slot},
                    {"candidate", k.candidate},
                    {"calls", k.calls},
                    {"ms", k.ms},
                    {"macs_per_call", k.cost.macs},
                    {"bytes_per_call", k.cost.bytes}});
  return list;
}

// The ten that take longest.
void print_kernels(const std::vector<tools::KernelTime>& kernels) {
  double sum = 0;
  for (const tools::KernelTime& k : kernels) sum += k.ms;
  std::printf("\n%-26s %-22s %5s %9s %6s %9s %9s %9s %9s\n", "slot", "candidate", "calls", "ms", "share", "MMAC/call",
              "MB/call", "GFLOP/s", "GB/s");
  for (std::size_t i = 0; i < std::min<std::size_t>(kernels.size(), 10); ++i) {
    const tools::KernelTime& k = kernels[i];
    const double per_second = 1e-6 * static_cast<double>(k.calls) / k.ms;
    std::printf("%-26s %-22s %5lld %9.3f %5.1f%% %9.1f %9.2f %9.0f %9.0f\n", k.slot.c_str(), k.candidate.c_str(),
                static_cast<long long>(k.calls), k.ms, 100 * k.ms / sum, 1e-6 * k.cost.macs, 1e-6 * k.cost.bytes,
                per_second * 2 * k.cost.macs, per_second * k.cost.bytes);
  }
}

// What a kernel that reads and writes memory can hope for: the device's own copy, on data that are not all zero.
nlohmann::ordered_json time_copies(Device device, std::int64_t mebibytes) {
  const std::int64_t bytes = mebibytes << 20;
  const Tensor from = empty({bytes / 4}, {.device = device}), to = empty_like(from);
  uniform_(from, 0, 1, {0, stream_number(RandomPurpose::synthetic, 0)});
  Runtime& on = runtime(device.kind);
  const Stream stream = on.current_stream(device.index);
  constexpr int calls = 10;
  std::vector<double> times;
  for (int i = 0; i < 5; ++i) {
    const auto begin = now(device);
    for (int k = 0; k < calls; ++k)
      on.copy(to.raw(), device, from.raw(), device, static_cast<std::size_t>(bytes), stream);
    times.push_back(ms_between(begin, now(device)) / calls);
  }
  const double ms = median(times);
  return {{"device", to_string(device)},
          {"copied_bytes", bytes},
          {"ms", ms},
          {"gbytes_per_s", 2e-6 * static_cast<double>(bytes) / ms}};  // read and written
}

void print(const nlohmann::ordered_json& out, bool json) {
  if (json) {
    std::printf("%s\n", out.dump().c_str());
    return;
  }
  for (const auto& [name, value] : out.items())
    std::printf("%-14s %s\n", name.c_str(),
                value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
}

}  // namespace

int bench_command(Arguments arguments) {
  Flags flags("bench", "medians of a training step and its parts, on random data");
  std::int64_t steps = 50, warm_up = 5, copy_mebibytes = 0;
  bool json = false, by_kernel = false;
  flags.settings([](const train::Setting& setting) {
    for (const char* wanted :
         {"model", "hidden", "drop", "num-classes", "in-chans", "img-size", "act", "pool", "auxiliary", "memory-format",
          "batch-size", "opt", "momentum", "device", "amp", "amp-dtype", "capture", "threads"})
      if (setting.name == std::string_view(wanted)) return true;
    return false;
  });
  flags.group("Measurement");
  flags.whole("--steps", steps, "steps to time", 1, 1 << 30);
  flags.whole("--warm-up", warm_up, "steps before them", 0, 1 << 30);
  flags.on("--by-kernel", by_kernel, "where the time of a step goes, kernel by kernel and run op by op");
  flags.whole("--copy", copy_mebibytes, "time copies of so many MiB on the device, and nothing else", 1, 1 << 20);
  flags.on("--json", json, "print JSON");
  if (!flags.parse(arguments)) return 0;
  train::Config config;
  config.lr = 1e-3;
  config.data.clear();
  flags.apply(config);
  flags.check(config);
  prepare_process(config);

  const Device device = device_of(config);
  if (copy_mebibytes > 0) {
    print(time_copies(device, copy_mebibytes), json);
    return 0;
  }
  const data::Batch batch = random_batch(config, config.batch_size);
  nlohmann::ordered_json out = {
      {"model", config.model}, {"batch_size", config.batch_size}, {"device", to_string(device)}};
  double step_ms = 0;
  if (!config.capture) {
    const StepTimes times = time_steps(config, batch, warm_up, steps);
    step_ms = median(times.step);
    out["forward_ms"] = median(times.forward);
    out["backward_ms"] = median(times.backward);
    out["update_ms"] = median(times.update);
  }
  if (device.kind != DeviceKind::cpu || config.capture) step_ms = time_stream_of_steps(config, batch, warm_up, steps);
  const auto peak = runtime(device.kind).allocator(device.index).statistics().peak_bytes;
  out["amp"] = config.amp ? config.amp_dtype : "no";
  out["captured"] = config.capture;
  out["step_ms"] = step_ms;
  out["samples_per_s"] = 1e3 * static_cast<double>(config.batch_size) / step_ms;
  out["peak_gib"] = static_cast<double>(peak) / (1 << 30);
  out["planned_gib"] = static_cast<double>(tools::planned_memory(config).peak()) / (1 << 30);
  std::vector<tools::KernelTime> kernels;
  if (by_kernel) kernels = time_kernels(config, batch, warm_up);
  if (by_kernel && json) out["kernels"] = to_json(kernels);
  print(out, json);
  if (by_kernel && !json) print_kernels(kernels);
  return 0;
}

}  // namespace weft::cli
