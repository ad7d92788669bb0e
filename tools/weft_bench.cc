// weft bench: the medians of a training step and its parts, on random data that is on the device already.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/ops/random.h"
#include "core/runtime/runtime.h"
#include "tools/assemble.h"
#include "tools/commands.h"
#include "tools/flags.h"

namespace weft::cli {
namespace {

struct StepTimes {
  std::vector<double> step, forward, backward, update;  // ms
};

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

// Waits for the device between the parts, so that each is charged with its own work.
StepTimes time_steps(const train::Config& config, const data::Batch& batch, std::int64_t warm_up, std::int64_t steps) {
  const std::unique_ptr<nn::Module> net = make_net(config);
  const std::unique_ptr<optim::Optimizer> optimizer = make_optimizer(config, *net);
  const train::Objective objective = make_objective(config);
  const Device device = device_of(config);
  StepTimes times;
  for (std::int64_t i = -warm_up; i < steps; ++i) {
    using Clock = std::chrono::steady_clock;
    const auto now = [device] { return synchronize(device), Clock::now(); };
    const auto begin = now();
    const Tensor loss = objective.loss((*net)(batch.input), batch.target);
    const auto forward_done = now();
    optimizer->zero_grad();
    loss.backward();
    const auto backward_done = now();
    optimizer->step();
    const auto end = now();
    if (i < 0) continue;
    const auto ms = [](auto from, auto to) { return std::chrono::duration<double, std::milli>(to - from).count(); };
    times.step.push_back(ms(begin, end));
    times.forward.push_back(ms(begin, forward_done));
    times.backward.push_back(ms(forward_done, backward_done));
    times.update.push_back(ms(backward_done, end));
  }
  return times;
}

}  // namespace

int bench_command(Arguments arguments) {
  Flags flags("bench", "medians of a training step and its parts, on random data");
  std::int64_t steps = 50, warm_up = 5;
  bool json = false;
  flags.settings([](const train::Setting& setting) {
    for (const char* wanted : {"model", "hidden", "drop", "num-classes", "in-chans", "img-size", "act", "pool",
                               "memory-format", "batch-size", "opt", "momentum", "device", "threads"})
      if (setting.name == std::string_view(wanted)) return true;
    return false;
  });
  flags.group("Measurement");
  flags.whole("--steps", steps, "steps to time", 1, 1 << 30);
  flags.whole("--warm-up", warm_up, "steps before them", 0, 1 << 30);
  flags.on("--json", json, "print JSON");
  if (!flags.parse(arguments)) return 0;
  train::Config config;
  config.lr = 1e-3;
  config.data.clear();
  flags.apply(config);
  prepare_process(config);

  const StepTimes times = time_steps(config, random_batch(config, config.batch_size), warm_up, steps);
  const Device device = device_of(config);
  const double step_ms = median(times.step);
  const auto peak = runtime(device.kind).allocator(device.index).statistics().peak_bytes;
  const nlohmann::ordered_json out = {
      {"model", config.model},
      {"batch_size", config.batch_size},
      {"device", to_string(device)},
      {"step_ms", step_ms},
      {"forward_ms", median(times.forward)},
      {"backward_ms", median(times.backward)},
      {"update_ms", median(times.update)},
      {"samples_per_s", 1e3 * static_cast<double>(config.batch_size) / step_ms},
      {"peak_gib", static_cast<double>(peak) / (1 << 30)},
  };
  if (json) {
    std::printf("%s\n", out.dump().c_str());
    return 0;
  }
  for (const auto& [name, value] : out.items())
    std::printf("%-14s %s\n", name.c_str(),
                value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  return 0;
}

}  // namespace weft::cli
