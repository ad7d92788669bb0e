// Mixed precision through the trainer: small nets reach their f32 accuracy, and resume to the same bits.
#include "core/error.h"
#include "core/generator.h"
#include "core/ops/elementwise.h"
#include "data/registry.h"
#include "models/registry.h"
#include "nn/nn.h"
#include "optim/optim.h"
#include "tests/catch.h"
#include "tests/scratch.h"
#include "tests/train/run_outcome.h"
#include "train/checkpoint.h"
#include "train/trainer.h"

using namespace weft;
using namespace weft::train;
namespace fs = std::filesystem;

namespace {

data::DatasetPtr shapes(data::Split split, std::int64_t samples) {
  return data::open("shapes", {.split = split, .seed = 1, .samples = samples});
}

struct Setup {
  std::optional<DType> amp = {};
  std::int64_t epochs = 1, samples = 640, checkpoint_every = 0;
  fs::path folder = {};
  std::int64_t kill_at = 0;
  double loss_factor = 1;
};
struct Killed {};

RunResult train_net(const std::string& model, const Setup& setup) {
  manual_seed(2);
  models::ModelOptions options;
  options.activation = "relu";
  if (model == "lenet") options.pool = "max";
  const std::unique_ptr<nn::Module> net = models::make_model(model, options);
  optim::Adam optimizer(net->parameters(), {.lr = 0.003});
  const optim::SchedulePointer schedule = optim::constant();
  data::Loader data(shapes(data::Split::train, setup.samples), {.batch_size = 32, .shuffle = true, .seed = 1});
  data::Loader validation(shapes(data::Split::val, 256), {.batch_size = 64});
  Objective objective = classification_objective();
  std::int64_t step = 0;
  objective.loss = [&, inner = objective.loss](const Tensor& y, const Tensor& target) {
    if (++step == setup.kill_at) throw Killed{};
    return mul(inner(y, target), setup.loss_factor);
  };
  std::optional<RunFolder> folder;
  if (!setup.folder.empty()) folder.emplace(setup.folder, OnExistingRun::resume);
  Trainer trainer({.net = *net,
                   .optimizer = optimizer,
                   .schedule = *schedule,
                   .data = data,
                   .validation = [&]() -> data::Loader& { return validation; },
                   .objective = objective,
                   .folder = folder ? &*folder : nullptr},
                  {.epochs = setup.epochs,
                   .clip_norm = 5,
                   .amp = setup.amp,
                   .checkpoint_every = setup.checkpoint_every,
                   .log = LogStyle::silent});
  return trainer.run();
}

void check_accuracy_in(DType dtype) {
  for (const std::string model : {"lenet", "mlp"}) {
    const Setup setup{.epochs = model == "lenet" ? 6 : 4};
    const double full = train_net(model, setup).val_top1.value();
    INFO(message(model, " in f32: ", full));
    CHECK(full > 0.5);
    Setup low = setup;
    low.amp = dtype;
    CHECK(train_net(model, low).val_top1.value() > full - 0.05);
  }
}

}  // namespace

TEST_CASE("small nets reach their f32 accuracy in f16") { check_accuracy_in(DType::f16); }
TEST_CASE("small nets reach their f32 accuracy in bf16") { check_accuracy_in(DType::bf16); }

TEST_CASE("a run in mixed precision that is killed goes on to the same bits, its loss scale included") {
  // A loss so large that the first steps overflow: the scale at a checkpoint is not the one to begin with.
  for (const DType dtype : {DType::f16, DType::bf16}) {
    const Setup setup{.amp = dtype, .epochs = 2, .samples = 160, .checkpoint_every = 2, .loss_factor = 4096};
    const tests::Scratch reference_folder;
    Setup whole = setup;
    whole.folder = reference_folder.path();
    train_net("mlp", whole);
    const Checkpoint last = *newest_checkpoint(reference_folder.path());
    const auto scale = std::ranges::find(last.optimizer, "loss_scale", &NamedTensor::name);
    CHECK((scale != last.optimizer.end()) == (dtype == DType::f16));
    if (dtype == DType::f16) {
      CHECK(scale->tensor.to_vector()[0] < 65536);
      CHECK(scale->tensor.to_vector()[2] > 0);
    }
    for (const int step : {2, 4, 5, 8}) {
      const tests::Scratch folder;
      Setup part = setup;
      part.folder = folder.path();
      part.kill_at = step;
      CHECK_THROWS_AS(train_net("mlp", part), Killed);
      part.kill_at = 0;
      train_net("mlp", part);
      CHECK(tests::read_outcome(folder.path()) == tests::read_outcome(reference_folder.path()));
    }
  }
}

TEST_CASE("a checkpoint of another precision is refused") {
  const tests::Scratch folder;
  Setup setup{.amp = DType::f16, .samples = 64, .folder = folder.path()};
  train_net("mlp", setup);
  setup.amp.reset();
  setup.epochs = 2;
  CHECK_THROWS_WITH(train_net("mlp", setup), Catch::Matchers::Contains("holds a loss scale"));
}
