// The memory of a training step as planned from shapes, beside what the allocator counts while one runs.
#include "tools/planned_memory.h"

#include "core/ops/random.h"
#include "core/runtime/runtime.h"
#include "models/registry.h"
#include "nn/nn.h"
#include "tests/catch.h"
#include "tools/assemble.h"

using namespace weft;
using namespace weft::tools;

namespace {

// The most that the second step of a training holds, and what is live between steps.
std::pair<double, double> measured(const train::Config& config) {
  Allocator& allocator = runtime(DeviceKind::cpu).allocator(0);
  const std::size_t before = allocator.statistics().live_bytes;
  const auto net = cli::make_net(config);
  const auto optimizer = cli::make_optimizer(config, *net);
  const train::Objective objective = cli::make_objective(config);
  Shape shape = models::input_shape(config.model, cli::model_options(config));
  shape.insert(0, config.batch_size);
  std::size_t between = 0;
  for (int step = 0; step < 2; ++step) {
    between = allocator.statistics().live_bytes - before;
    allocator.reset_peak();
    const Tensor x = empty(shape), target = zeros({config.batch_size}, {.dtype = DType::i64});
    uniform_(x, 0, 1, {1, 1});
    Tensor loss = nn::loss_with_heads(nn::auxiliary_heads(*net), (*net)(x),
                                      [&](const Tensor& y) { return objective.loss(y, target); });
    optimizer->zero_grad();
    loss.backward();
    loss = {};
    optimizer->advance();
    optimizer->apply();
  }
  return {static_cast<double>(allocator.statistics().peak_bytes - before), static_cast<double>(between)};
}

}  // namespace

// What the allocator counts beyond the plan is what kernels take for a call and what it rounds up.
TEST_CASE("the memory of a training step is what its shapes say") {
  struct Case {
    const char* model;
    std::int64_t batch, size;
    double momentum;
  };
  for (const Case& c : {Case{"lenet", 256, 28, 0}, Case{"nin_d2l", 16, 96, 0.9}, Case{"resnet18", 8, 64, 0.9},
                        Case{"densenet_d2l", 16, 64, 0.9}, Case{"googlenet", 8, 64, 0.9}}) {
    INFO(c.model);
    train::Config config;
    config.model = c.model;
    config.data.clear();
    config.batch_size = c.batch;
    config.img_size = c.size;
    config.momentum = c.momentum;
    const PlannedMemory plan = planned_memory(config);
    const auto [peak, between] = measured(config);
    INFO(static_cast<double>(plan.peak()) / peak);
    CHECK(static_cast<double>(plan.peak()) <= 1.05 * peak);
    CHECK(static_cast<double>(plan.peak()) >= 0.85 * peak);
    CHECK(static_cast<double>(plan.weights + plan.gradients + plan.optimizer) == Approx(between).epsilon(0.1));
    CHECK((plan.optimizer >= plan.gradients) == (c.momentum > 0));
  }
}
