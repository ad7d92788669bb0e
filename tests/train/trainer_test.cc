#include "train/trainer.h"

#include <signal.h>

#include "core/error.h"
#include "core/file.h"
#include "core/generator.h"
#include "core/ops/elementwise.h"
#include "core/ops/random.h"
#include "nn/nn.h"
#include "optim/optim.h"
#include "tests/catch.h"
#include "tests/scratch.h"
#include "tests/train/file_size_limit.h"
#include "tests/train/run_outcome.h"
#include "train/checkpoint.h"
#include "train/run_state.h"

using namespace weft;
using namespace weft::train;
using namespace weft::tests;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kClasses = 4, kFeatures = 5;

class Points final : public data::Dataset {
 public:
  Points(std::int64_t samples, std::uint64_t stream) : inputs_(empty({samples, kFeatures})) {
    normal_(inputs_, 0, 1, {11, stream});
  }
  std::int64_t size() const override { return inputs_.size(0); }
  data::Sample sample(std::int64_t index) const override {
    const Tensor x = inputs_.select(0, index);
    return {x, full({}, static_cast<double>(x.to_vector()[0] + x.to_vector()[1] > 0) + 2 * (index % 2),
                    {.dtype = DType::i64})};
  }

 private:
  Tensor inputs_;
};

// A schedule whose every number shows: the rate falls with what was observed and how often.
class Remembering final : public optim::Schedule {
 public:
  double factor(double) const override { return 1 / (1 + sum_ + 0.1 * count_); }
  void observe(double metric) override { sum_ += metric, count_ += 1; }
  std::vector<double> state() const override { return {sum_, count_}; }
  void load_state(const std::vector<double>& state) override { sum_ = state.at(0), count_ = state.at(1); }

 private:
  double sum_ = 0, count_ = 0;
};

// A run with everything that has state: dropout, Adam's moments, a schedule that remembers, a short last batch,
// checkpoints within epochs.
struct Setup {
  std::int64_t epochs = 4, steps = 0, checkpoint_every = 3;
  std::function<void(std::int64_t step)> before_step = {};
};

RunResult train_in(const fs::path& folder, const Setup& setup = {}) {
  manual_seed(3);
  nn::Sequential net(nn::Linear({.in = kFeatures, .out = 16}), nn::ReLU(), nn::Dropout(0.4),
                     nn::Linear({.in = 16, .out = kClasses}));
  optim::Adam optimizer(net.parameters(), {.lr = 0.02});
  Remembering schedule;
  data::Loader data(std::make_shared<Points>(94, 0), {.batch_size = 10, .shuffle = true, .seed = 5});
  data::Loader validation(std::make_shared<Points>(40, 1), {.batch_size = 16});
  Objective objective = classification_objective();
  std::int64_t step = 0;
  objective.loss = [&, inner = objective.loss](const Tensor& y, const Tensor& target) {
    if (setup.before_step) setup.before_step(++step);
    return inner(y, target);
  };
  RunFolder run_folder(folder, OnExistingRun::resume);
  Trainer trainer({.net = net,
                   .optimizer = optimizer,
                   .schedule = schedule,
                   .data = data,
                   .validation = [&]() -> data::Loader& { return validation; },
                   .objective = objective,
                   .folder = &run_folder},
                  {.epochs = setup.epochs,
                   .steps = setup.steps,
                   .checkpoint_every = setup.checkpoint_every,
                   .log = LogStyle::silent});
  return trainer.run();
}

struct Killed {};
void kill_before(const fs::path& folder, std::int64_t step, Setup setup = {}) {
  setup.before_step = [step](std::int64_t now) {
    if (now == step) throw Killed{};
  };
  CHECK_THROWS_AS(train_in(folder, setup), Killed);
}
RunResult stop_in(const fs::path& folder, std::int64_t step, Setup setup = {}) {
  setup.before_step = [step](std::int64_t now) {
    if (now == step) ::raise(SIGTERM);
  };
  return train_in(folder, setup);
}

// Rewrites the newest checkpoint's state, with checksums that fit.
template <typename Change>
void change_state(const fs::path& folder, const Change& change) {
  const std::int64_t step = checkpoint_steps(folder).front();
  const fs::path directory = checkpoint_directory(folder, step);
  const std::string file = (directory / kCheckpointState).string();
  RunState state = run_state_from_json(read_text_file(file), file);
  change(state);
  write_file(file, to_json(state));
  write_file((directory / kCheckpointChecksums).string(), checksums_of(directory));
}
void change_tensors(const fs::path& folder, const std::function<void(Checkpoint&)>& change) {
  Checkpoint checkpoint = *newest_checkpoint(folder);
  change(checkpoint);
  write_checkpoint(folder, checkpoint);
}

// Whether a copy of the stopped run, changed, still ends like the reference.
bool ends_equal(const fs::path& stopped, const RunOutcome& reference,
                const std::function<void(const fs::path&)>& change) {
  const tests::Scratch copy;
  fs::copy(stopped, copy.path(), fs::copy_options::recursive);
  change(copy.path());
  try {
    train_in(copy.path());
  } catch (const Error&) {
    return false;
  }
  return read_outcome(copy.path()) == reference;
}

double last_value(const fs::path& folder, int column) {
  std::istringstream lines(read_text_file((folder / kMetricsFile).string()));
  std::string line, last;
  while (std::getline(lines, line)) last = line;
  for (int i = 0; i < column; ++i) last.erase(0, last.find(',') + 1);
  return std::stod(last);
}

}  // namespace

TEST_CASE("a run writes its folder") {
  const tests::Scratch folder;
  const RunResult result = train_in(folder.path());
  CHECK(result.epochs == 4);
  CHECK(result.steps == 40);
  CHECK(result.saved);
  CHECK(result.stopped_by == 0);
  CHECK(result.val_top1.has_value());
  const RunOutcome outcome = read_outcome(folder.path());
  CHECK(outcome.rows.size() == 5);
  CHECK(outcome.rows[2].starts_with("2,20,"));
  CHECK(checkpoint_steps(folder.path()) == std::vector<std::int64_t>{40, 39, 36});
  CHECK(train_in(folder.path()).was_finished);
  CHECK(read_outcome(folder.path()) == outcome);
}

TEST_CASE("a run stopped or killed at any step goes on to the same bits") {
  const tests::Scratch reference_folder;
  train_in(reference_folder.path());
  const RunOutcome reference = read_outcome(reference_folder.path());
  for (const std::int64_t step : {1, 2, 9, 10, 11, 17, 20, 31, 40}) {
    INFO("step " << step);
    const tests::Scratch killed, stopped;
    kill_before(killed.path(), step);
    train_in(killed.path());
    CHECK(read_outcome(killed.path()) == reference);

    const RunResult result = stop_in(stopped.path(), step);
    CHECK(result.steps == step);
    CHECK(result.saved);
    if (step < 40) CHECK(result.stopped_by == SIGTERM);
    train_in(stopped.path());
    CHECK(read_outcome(stopped.path()) == reference);
  }
}

TEST_CASE("a run killed again and again goes on to the same bits") {
  const tests::Scratch reference_folder, folder;
  train_in(reference_folder.path());
  for (const std::int64_t step : {5, 4, 9, 1, 12}) kill_before(folder.path(), step);
  train_in(folder.path());
  CHECK(read_outcome(folder.path()) == read_outcome(reference_folder.path()));
}

TEST_CASE("a damaged newest checkpoint costs steps, not bits") {
  const tests::Scratch reference_folder, folder;
  train_in(reference_folder.path());
  kill_before(folder.path(), 26);
  fs::resize_file(checkpoint_directory(folder.path(), 24) / kCheckpointModel, 100);
  train_in(folder.path());
  CHECK(read_outcome(folder.path()) == read_outcome(reference_folder.path()));
}

TEST_CASE("a run cut by steps has a row for its end, and gives it back when it goes on") {
  const tests::Scratch whole, cut;
  train_in(whole.path());
  const RunResult first = train_in(cut.path(), {.steps = 13});
  CHECK(first.steps == 13);
  CHECK(first.epochs == 1);
  CHECK(first.val_top1.has_value());
  const RunOutcome outcome = read_outcome(cut.path());
  REQUIRE(outcome.rows.size() == 3);
  CHECK(outcome.rows[2].starts_with("2,13,"));
  CHECK(train_in(cut.path(), {.steps = 13}).was_finished);
  CHECK(read_outcome(cut.path()) == outcome);
  train_in(cut.path());
  CHECK(read_outcome(cut.path()) == read_outcome(whole.path()));
}

TEST_CASE("no field of the state can be dropped") {
  const tests::Scratch reference_folder, folder;
  train_in(reference_folder.path());
  const RunOutcome reference = read_outcome(reference_folder.path());
  stop_in(folder.path(), 26);
  const RunState state = run_state_from_json(newest_checkpoint(folder.path())->state, "state.json");
  REQUIRE(state.epochs_done == 2);
  REQUIRE(state.meters.hits > 0);
  REQUIRE(ends_equal(folder.path(), reference, [](const fs::path&) {}));

  const auto dropped = [&](auto change) {
    return ends_equal(folder.path(), reference, [&](const fs::path& copy) { change_state(copy, change); });
  };
  CHECK_FALSE(dropped([](RunState& s) { s.step = 0; }));
  CHECK_FALSE(dropped([](RunState& s) { s.epochs_done = 0; }));
  CHECK_FALSE(dropped([](RunState& s) { s.sampler.epoch = 0; }));
  CHECK_FALSE(dropped([](RunState& s) { s.sampler.position = 0; }));
  CHECK_FALSE(dropped([](RunState& s) { s.generator.seed = 0; }));
  CHECK_FALSE(dropped([](RunState& s) { s.generator.next = 0; }));
  for (std::size_t i = 0; i < state.schedule.size(); ++i) CHECK_FALSE(dropped([i](RunState& s) { s.schedule[i] = 0; }));
  CHECK_FALSE(dropped([](RunState& s) { s.meters.loss_sum = 0; }));
  CHECK_FALSE(dropped([](RunState& s) { s.meters.hits = 0; }));
  CHECK_FALSE(dropped([](RunState& s) { s.meters.samples = 0; }));
  CHECK_FALSE(dropped([](RunState& s) { s.metrics_bytes = 0; }));

  const auto zeroed = [&](bool of_optimizer, std::size_t tensor) {
    return ends_equal(folder.path(), reference, [&](const fs::path& copy) {
      change_tensors(copy, [&](Checkpoint& c) {
        Tensor& t = (of_optimizer ? c.optimizer : c.model)[tensor].tensor;
        t = zeros(t.shape(), {.dtype = t.dtype()});
      });
    });
  };
  const Checkpoint checkpoint = *newest_checkpoint(folder.path());
  for (std::size_t i = 0; i < checkpoint.model.size(); ++i) CHECK_FALSE(zeroed(false, i));
  for (std::size_t i = 0; i < checkpoint.optimizer.size(); ++i) {
    INFO(checkpoint.optimizer[i].name);
    CHECK_FALSE(zeroed(true, i));
  }
}

TEST_CASE("the fields that only tell of the run are kept too") {
  const tests::Scratch folder;
  stop_in(folder.path(), 26);
  // Times: what the checkpoint says is carried on.
  change_state(folder.path(), [](RunState& s) {
    s.elapsed_s = 1e6, s.meters.seconds = 5000, s.meters.wait_seconds = 2500;
    s.best = 2;  // above every accuracy: best.safetensors must stay
  });
  const std::string best = read_outcome(folder.path()).best;
  train_in(folder.path(), {.epochs = 3});
  CHECK(last_value(folder.path(), 10) >= 1e6);                             // elapsed_s
  CHECK(last_value(folder.path(), 7) == Approx(94.0 / 5000).margin(0.1));  // samples_per_s
  CHECK(last_value(folder.path(), 8) == Approx(50).margin(0.5));           // data_wait_pct
  CHECK(read_outcome(folder.path()).best == best);
  // A finished run tells its last accuracy without validating again, and does nothing else.
  change_state(folder.path(), [](RunState& s) { s.val_loss = 7, s.val_top1 = 0.125; });
  const RunResult finished = train_in(folder.path(), {.epochs = 3});
  CHECK(finished.was_finished);
  CHECK(finished.val_loss == 7);
  CHECK(finished.val_top1 == 0.125);
  change_state(folder.path(), [](RunState& s) { s.ended = false; });
  CHECK_FALSE(train_in(folder.path(), {.epochs = 3}).was_finished);
}

TEST_CASE("a full disk during a checkpoint is a warning, and the next one is written") {
  const tests::Scratch reference_folder, folder;
  train_in(reference_folder.path());
  std::optional<FileSizeLimit> full;
  std::vector<std::int64_t> seen;
  const RunResult result = train_in(folder.path(), {.before_step = [&](std::int64_t step) {
                                      if (step == 14) full.emplace(300);  // the checkpoints of steps 15 and 18 fail
                                      if (step == 19) full.reset(), seen = checkpoint_steps(folder.path());
                                    }});
  CHECK(seen == std::vector<std::int64_t>{12, 10, 9});
  CHECK(result.saved);
  CHECK(read_outcome(folder.path()) == read_outcome(reference_folder.path()));
}

TEST_CASE("a run whose last checkpoint cannot be written says so, and can be resumed from the one before") {
  const tests::Scratch reference_folder, folder;
  train_in(reference_folder.path());
  {
    std::optional<FileSizeLimit> full;
    const RunResult result = train_in(folder.path(), {.before_step = [&](std::int64_t step) {
                                        if (step == 38) full.emplace(300);
                                      }});
    CHECK_FALSE(result.saved);
  }
  CHECK(checkpoint_steps(folder.path()).front() == 36);
  train_in(folder.path());
  CHECK(read_outcome(folder.path()) == read_outcome(reference_folder.path()));
}

TEST_CASE("[N4] a loss that is not finite stops the run and names the step", "[N4]") {
  const tests::Scratch folder;
  manual_seed(0);
  nn::Sequential net(nn::Linear({.in = kFeatures, .out = kClasses}));
  optim::SGD optimizer(net.parameters(), {.lr = 0.1});
  const optim::SchedulePointer schedule = optim::constant();
  data::Loader data(std::make_shared<Points>(50, 0), {.batch_size = 10});
  Objective objective = classification_objective();
  const double poison = GENERATE(std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity());
  int step = 0;
  objective.loss = [&, inner = objective.loss](const Tensor& y, const Tensor& target) {
    const Tensor loss = inner(y, target);
    return ++step == 7 ? loss * poison : loss;
  };
  RunFolder run_folder(folder.path(), OnExistingRun::refuse);
  Trainer trainer({.net = net,
                   .optimizer = optimizer,
                   .schedule = *schedule,
                   .data = data,
                   .objective = objective,
                   .folder = &run_folder},
                  {.epochs = 3, .log = LogStyle::silent});
  try {
    trainer.run();
    FAIL("went on");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::diverged);
    CHECK_THAT(error.what(), contains("the loss of step 7 is"));
  }
  CHECK(checkpoint_steps(folder.path()) == std::vector<std::int64_t>{5});
}
