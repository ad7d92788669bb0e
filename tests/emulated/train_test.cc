// Training on the emulated device: what a GPU would do, held against the CPU.
#include <algorithm>
#include <cmath>

#include "core/autograd.h"
#include "core/generator.h"
#include "core/ops/elementwise.h"
#include "core/ops/reduce.h"
#include "data/registry.h"
#include "kernels/emulation/emulation.h"
#include "models/registry.h"
#include "nn/nn.h"
#include "optim/optim.h"
#include "tests/catch.h"
#include "train/trainer.h"
#include "train/training_step.h"

using namespace weft;
using namespace weft::train;
using Catch::Matchers::Contains;

namespace {

constexpr Device kEmulated{DeviceKind::emulated, 0};

data::DatasetPtr shapes(std::int64_t samples) {
  return data::open("shapes", {.split = data::Split::train, .seed = 1, .samples = samples});
}

struct Trained {
  std::vector<double> losses, weights;
};

// LeNet, or an MLP with dropout; Adam, clipping by norm.
Trained train_on(Device device, const std::string& model, int steps, std::int64_t batch, bool capture) {
  manual_seed(1);
  models::ModelOptions options;
  if (model == "mlp") options.dropout = {0.3};
  const std::unique_ptr<nn::Module> net = models::make_model(model, options);
  net->to(device);
  optim::Adam optimizer(net->parameters(), {.lr = 0.003});
  data::Loader loader(shapes(batch * 3), {.batch_size = batch, .shuffle = true, .seed = 1});
  const Objective objective = classification_objective();
  const TrainerOptions trainer{.clip_norm = 1, .device = device, .capture = capture};
  TrainingStep step(*net, optimizer, objective, trainer);
  std::vector<Tensor> losses;
  for (int i = 0; i < steps; ++i) {
    std::optional<data::Batch> next = loader.next();
    if (!next) next = loader.next();
    const NoSync no_sync;
    losses.push_back(step.run(*next).loss);
  }
  Trained out;
  for (const Tensor& loss : losses) out.losses.push_back(loss.item());
  for (const NamedTensor& entry : net->state())  // running statistics too
    for (const double value : entry.tensor.to_vector()) out.weights.push_back(value);
  return out;
}

}  // namespace

TEST_CASE("LeNet's losses over 20 steps at batch 32 are the CPU's, and no step waits for the device") {
  const Trained there = train_on(kEmulated, "lenet", 20, 32, false), here = train_on(Device{}, "lenet", 20, 32, false);
  for (std::size_t i = 0; i < here.losses.size(); ++i)
    CHECK(std::fabs(there.losses[i] - here.losses[i]) <= 1e-5 * here.losses[i]);
}

TEST_CASE("recorded and op-by-op runs give the same bits, with dropout, Adam and clipping") {
  const Trained ops = train_on(kEmulated, "mlp", 6, 8, false), recorded = train_on(kEmulated, "mlp", 6, 8, true);
  CHECK(ops.losses == recorded.losses);
  CHECK(ops.weights == recorded.weights);
  CHECK(train_on(kEmulated, "lenet", 4, 4, false).weights == train_on(kEmulated, "lenet", 4, 4, true).weights);
}

TEST_CASE("recorded steps move running statistics and count batches as others do") {
  const Trained ops = train_on(kEmulated, "bn_lenet", 4, 4, false),
                recorded = train_on(kEmulated, "bn_lenet", 4, 4, true);
  CHECK(ops.losses == recorded.losses);
  CHECK(ops.weights == recorded.weights);
  CHECK(std::count(ops.weights.begin(), ops.weights.end(), 4.0) == 4);  // batches, in each of the four layers
}

TEST_CASE("the order in which threads run changes no bit of a trained net") {
  const emulation::Options before = emulation::options();
  const Trained forward = train_on(kEmulated, "lenet", 2, 4, false);
  emulation::options().order = emulation::Order::shuffled;
  const Trained shuffled = train_on(kEmulated, "lenet", 2, 4, false);
  emulation::options() = before;
  CHECK(forward.weights == shuffled.weights);
}

TEST_CASE("images that lie on the device give the CPU's batches bit for bit, without a wait") {
  const Tensor images = empty({5, 1, 9, 7}, {.dtype = DType::u8});
  for (std::int64_t i = 0; i < images.elements(); ++i)
    images.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(37 * i);
  const data::ImageSet here(images, arange(5, {.dtype = DType::i64}), 16);
  const data::DeviceImageSet there(here, kEmulated);
  const std::vector<std::int64_t> indices = {4, 1, 1, 0};
  const data::Batch expected = here.batch(indices);
  data::Batch batch;
  {
    const NoSync no_sync;
    batch = there.batch(indices);
  }
  CHECK(batch.input.device() == kEmulated);
  CHECK(batch.target.device() == kEmulated);
  CHECK(batch.input.to_vector() == expected.input.to_vector());
  CHECK(batch.target.to_vector() == expected.target.to_vector());
}

TEST_CASE("tensors and nets live where they are put, and what mixes devices is named", "[H1]") {
  const Tensor x = arange(6).reshape({2, 3}), there = x.to(kEmulated);
  CHECK(there.device() == kEmulated);
  CHECK((there + there).device() == kEmulated);
  CHECK(there.to(Device{}).to_vector() == x.to_vector());
  CHECK(there.to(kEmulated).same_as(there));
  CHECK_THROWS_WITH(x + there, Contains("cpu") && Contains("emulated:0") && Contains(".to(device)"));
  nn::Linear layer({.in = 3, .out = 4});
  const std::vector<double> here = layer(x).to_vector();
  layer.to(kEmulated);
  for (const Tensor& parameter : layer.parameters()) CHECK(parameter.device() == kEmulated);
  const std::vector<double> y = layer(there).to_vector();
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(std::fabs(y[i] - here[i]) <= 1e-4 * std::fabs(here[i]) + 1e-6);
  CHECK(try_gpu(63) == Device{});
  CHECK(try_all_gpus().size() >= 1);
}

TEST_CASE("reading a loss costs one copy of four bytes", "[H2]") {
  const Tensor x = full({100, 100}, 2, {.device = kEmulated}), loss = sum(square(x));
  const emulation::Readback before = emulation::readback();
  CHECK(loss.item() == 40000);
  CHECK(emulation::readback().copies - before.copies == 1);
  CHECK(emulation::readback().bytes - before.bytes == 4);
}
