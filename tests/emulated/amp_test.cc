// Mixed precision on the emulated device: recorded steps give the bits of steps run op by op, skipped ones included,
// also when the net is evaluated in between; nothing waits; and the CPU's losses are near.
#include "core/autocast.h"
#include "core/autograd.h"
#include "core/generator.h"
#include "core/ops/copy.h"
#include "core/runtime/runtime.h"
#include "data/registry.h"
#include "models/registry.h"
#include "nn/nn.h"
#include "optim/optim.h"
#include "tests/catch.h"
#include "train/trainer.h"
#include "train/training_step.h"

using namespace weft;
using namespace weft::train;

namespace {

constexpr Device kEmulated{DeviceKind::emulated, 0};

struct Trained {
  std::vector<double> losses, answers, weights, scale;
};

Trained train_on(Device device, DType dtype, bool capture, double scale, const std::string& model = "mlp") {
  manual_seed(1);
  const std::unique_ptr<nn::Module> net = models::make_model(model, {});
  net->to(device);
  optim::Adam optimizer(net->parameters(), {.lr = 0.003});
  data::Loader loader(data::open("shapes", {.split = data::Split::train, .seed = 1, .samples = 24}),
                      {.batch_size = 8, .shuffle = true, .seed = 1});
  const Objective objective = classification_objective();
  const TrainerOptions options{.clip_norm = 1, .device = device, .amp = dtype, .capture = capture};
  TrainingStep step(*net, optimizer, objective, options);
  if (step.scaler()) step.scaler()->load(tensor({4}, {scale, 0, 0, 0}));
  std::vector<Tensor> losses, answers;
  for (int i = 0; i < 6; ++i) {
    std::optional<data::Batch> next = loader.next();
    if (!next) next = loader.next();
    const NoSync no_sync;
    losses.push_back(step.run(*next).loss);
    const NoGrad no_grad;
    const Autocast autocast(dtype);
    answers.push_back((*net)(next->input.to(device)));
  }
  Trained out;
  for (const Tensor& loss : losses) out.losses.push_back(loss.item());
  for (const Tensor& answer : answers)
    for (const double value : answer.to_vector()) out.answers.push_back(value);
  for (const Tensor& parameter : net->parameters())
    for (const double value : parameter.to_vector()) out.weights.push_back(value);
  if (step.scaler()) out.scale = step.scaler()->state().to_vector();
  return out;
}

}  // namespace

TEST_CASE("recorded steps in mixed precision give the bits of steps run op by op") {
  for (const DType dtype : {DType::f16, DType::bf16}) {
    const Trained ops = train_on(kEmulated, dtype, false, 0x1p18), recorded = train_on(kEmulated, dtype, true, 0x1p18);
    CHECK(ops.losses == recorded.losses);
    CHECK(ops.answers == recorded.answers);
    CHECK(ops.weights == recorded.weights);
    CHECK(ops.scale == recorded.scale);
    if (dtype == DType::f16) {
      CHECK(ops.scale[2] > 0);  // some steps were skipped
      CHECK(ops.scale[2] < 6);  // and some not
    }
  }
}

TEST_CASE("the device's losses in mixed precision are near the CPU's") {
  for (const DType dtype : {DType::f16, DType::bf16}) {
    const Trained there = train_on(kEmulated, dtype, false, 1024, "lenet");
    const Trained here = train_on(Device{}, dtype, false, 1024, "lenet");
    for (std::size_t i = 0; i < here.losses.size(); ++i) CHECK(there.losses[i] == Approx(here.losses[i]).epsilon(0.02));
  }
}
