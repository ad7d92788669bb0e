#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/autocast.h"
#include "core/error.h"
#include "core/log.h"
#include "core/profile.h"
#include "core/safetensors.h"
#include "train/checkpoint.h"
#include "train/growing_file.h"
#include "train/run_state.h"
#include "train/signals.h"
#include "train/tfevents.h"
#include "train/training_step.h"

namespace weft::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

constexpr const char* kLossScale = "loss_scale";  // beside the optimizer's tensors

// Sums since the last report; unlike the epoch's meters they are not part of the state.
struct IntervalMeters {
  double loss_sum = 0, hits = 0, seconds = 0, wait_seconds = 0;
  std::int64_t samples = 0, steps = 0;
};

}  // namespace

class Trainer::Run {
 public:
  Run(TrainerParts parts, TrainerOptions options)
      : p_(std::move(parts)), o_(options), step_(p_.net, p_.optimizer, p_.objective, o_), log_(options.log) {}
  RunResult run();

 private:
  // A step whose loss is still on the device.
  struct PendingStep {
    std::int64_t step = 0, samples = 0;
    Tensor loss, hits;
  };

  std::int64_t total_steps() const;
  // All batches of an epoch are done, and it is not validated yet.
  bool epoch_waits() const { return state_.sampler.epoch > state_.epochs_done; }
  bool all_steps_done() const { return state_.step >= total_steps() && !epoch_waits(); }

  void resume();
  void restore(const Checkpoint& checkpoint);
  NamedTensors optimizer_state();
  void load_optimizer(NamedTensors state, const std::string& where);
  void open_files();

  void loop();
  void train_step();
  data::Batch next_batch();
  void read_pending();
  void report_step();

  std::optional<Evaluation> validate();
  void finish_epoch();
  void end_run();
  void write_row(const std::optional<Evaluation>& evaluation);

  void save_checkpoint();
  bool save_weights(const char* file);
  template <typename Save>
  bool try_to_save(const Save& save);

  double peak_gib() const;
  double elapsed_s() const { return state_.elapsed_s + seconds_since(begun_); }
  bool stop_asked() const { return signals_ && signals_->received() != 0; }

  TrainerParts p_;
  TrainerOptions o_;
  TrainingStep step_;
  TrainingLog log_;
  RunState state_;
  IntervalMeters interval_;
  std::vector<PendingStep> pending_;
  Tensor gradient_norm_;  // of a step that is reported; undefined otherwise
  std::optional<StopSignals> signals_;
  std::optional<GrowingFile> metrics_;
  std::optional<EventFile> events_;
  Clock::time_point begun_ = Clock::now();
  std::optional<MetricsRow> last_row_;
  bool checkpoint_saved_ = false;  // the newest checkpoint is of the present state
  bool last_saved_ = true, best_saved_ = true;
};

std::int64_t Trainer::Run::total_steps() const {
  const std::int64_t all = o_.epochs * p_.data.batches();
  return o_.steps > 0 ? std::min(o_.steps, all) : all;
}

RunResult Trainer::Run::run() {
  resume();
  RunResult result;
  if (state_.ended && all_steps_done()) {
    result.was_finished = true;
  } else {
    state_.ended = false;
    signals_.emplace();
    if (p_.folder) open_files();
    loop();
    result.stopped_by = state_.ended ? 0 : signals_->received();
    if (p_.folder) result.saved = checkpoint_saved_ && last_saved_ && best_saved_ && metrics_->flush();
    if (!result.saved) warn("the end of this run could not be saved; --resume goes on from the checkpoint before");
    if (events_) events_->flush();
    signals_.reset();
  }
  result.epochs = state_.epochs_done;
  result.steps = state_.step;
  result.val_loss = state_.val_loss;
  result.val_top1 = state_.val_top1;
  result.last_epoch = last_row_;
  if (p_.folder) result.output = p_.folder->path().string();
  log_.result(result);
  return result;
}

void Trainer::Run::resume() {
  if (!p_.folder) return;
  if (const std::optional<Checkpoint> checkpoint = newest_checkpoint(p_.folder->path())) restore(*checkpoint);
}

void Trainer::Run::restore(const Checkpoint& checkpoint) {
  const std::string where = checkpoint_directory(p_.folder->path(), checkpoint.step).string();
  state_ = run_state_from_json(checkpoint.state, where + "/" + kCheckpointState);
  require_data(state_.step == checkpoint.step, where, "holds the state of step ", state_.step);
  p_.net.load(checkpoint.model);
  load_optimizer(checkpoint.optimizer, where);
  p_.schedule.load_state(state_.schedule);
  p_.data.seek(state_.sampler);
  default_generator() = state_.generator;
  begun_ = Clock::now();
  log_.note(message("going on from ", where));
}

// The optimizer's tensors and, with loss scaling, the scaler's one.
NamedTensors Trainer::Run::optimizer_state() {
  NamedTensors state = p_.optimizer.state();
  if (step_.scaler()) state.push_back({kLossScale, step_.scaler()->state()});
  return state;
}
void Trainer::Run::load_optimizer(NamedTensors state, const std::string& where) {
  const auto scale = std::find_if(state.begin(), state.end(), [](const auto& t) { return t.name == kLossScale; });
  require_data((scale != state.end()) == step_.scaler().has_value(), where,
               step_.scaler() ? "holds no loss scale: it was saved without --amp in float16"
                              : "holds a loss scale: it was saved with --amp in float16");
  if (scale != state.end()) {
    step_.scaler()->load(scale->tensor);
    state.erase(scale);
  }
  p_.optimizer.load(state);
}

void Trainer::Run::open_files() {
  const std::filesystem::path path = p_.folder->file(kMetricsFile);
  metrics_.emplace(path, state_.metrics_bytes);
  if (metrics_->bytes() < state_.metrics_bytes)
    warn(path.string(), ": is shorter than the checkpoint knows; rows of earlier epochs are missing");
  if (metrics_->bytes() == 0) metrics_->append(kMetricsHeader);
  events_.emplace(p_.folder->path(), state_.step);
}

// Invariant: between two steps, state_ and the parts say all there is to say; a checkpoint may be taken there.
void Trainer::Run::loop() {
  p_.net.train();
  while (!all_steps_done() && !stop_asked()) {
    if (!epoch_waits()) train_step();
    const bool at_end = state_.step == total_steps();
    if (at_end || epoch_waits() || log_.due(state_.step, o_.log_interval)) report_step();
    if (epoch_waits()) {
      finish_epoch();
      if (!epoch_waits() && !all_steps_done()) {
        last_saved_ = save_weights(kLastWeights);
        save_checkpoint();
      }
    } else if (!at_end && o_.checkpoint_every > 0 && state_.step % o_.checkpoint_every == 0) {
      save_checkpoint();
    }
  }
  read_pending();
  if (all_steps_done()) end_run();
  last_saved_ = save_weights(kLastWeights);
  if (!checkpoint_saved_) save_checkpoint();
}

void Trainer::Run::train_step() {
  checkpoint_saved_ = false;
  const auto number = state_.step + 1;
  if (number == o_.profile.first) runtime(o_.device.kind).collect_profile(true);
  const ProfileRange range(Phase::step, "step", static_cast<std::uint64_t>(number));
  const Clock::time_point begin = Clock::now();
  const data::Batch batch = next_batch();
  const double waited = seconds_since(begin);

  const double epochs = static_cast<double>(state_.step) / static_cast<double>(p_.data.batches());
  p_.optimizer.scale_lr(p_.schedule.factor(epochs));
  const StepResult result = step_.run(batch);

  ++state_.step;
  state_.sampler = p_.data.state();
  gradient_norm_ = result.gradient_norm;
  if (!gradient_norm_.defined() && events_ && state_.step % o_.log_interval == 0)
    gradient_norm_ = p_.optimizer.clip_gradient_norm(std::numeric_limits<double>::max());  // measures, scales nothing
  pending_.push_back({state_.step, batch.size(), result.loss, result.hits});
  // On the CPU nothing is gained by waiting; elsewhere losses are read together, so that steps follow each other
  // without a wait.
  const bool read_now = o_.device.kind == DeviceKind::cpu;
  if (read_now || static_cast<std::int64_t>(pending_.size()) >= o_.log_interval) read_pending();

  const double seconds = seconds_since(begin);
  state_.meters.seconds += seconds, state_.meters.wait_seconds += waited;
  interval_.seconds += seconds, interval_.wait_seconds += waited;
  if (number == o_.profile.last) runtime(o_.device.kind).collect_profile(false);
}

data::Batch Trainer::Run::next_batch() {
  const ProfileRange range(Phase::data, "data");
  std::optional<data::Batch> batch = p_.data.next();
  if (!batch) batch = p_.data.next();  // the first call told of the end of an epoch
  return std::move(*batch);
}

// Adds the losses of the steps since the last call to the meters, in the order of the steps.
void Trainer::Run::read_pending() {
  for (const PendingStep& step : std::exchange(pending_, {})) {
    const double loss = step.loss.item();
    if (!std::isfinite(loss))
      fail(ErrorKind::diverged, "train", "the loss of step ", step.step, " is ", loss,
           "; a lower --lr, --warmup-epochs or --clip-grad may help");
    const double loss_sum = loss * static_cast<double>(step.samples);
    const double hits = step.hits.defined() ? step.hits.item() : 0;
    state_.meters.loss_sum += loss_sum, interval_.loss_sum += loss_sum;
    state_.meters.hits += hits, interval_.hits += hits;
    state_.meters.samples += step.samples, interval_.samples += step.samples;
    ++interval_.steps;
  }
}

void Trainer::Run::report_step() {
  read_pending();
  const IntervalMeters sums = std::exchange(interval_, {});
  if (sums.steps == 0) return;
  const auto samples = static_cast<double>(sums.samples);
  StepReport report{.step = state_.step,
                    .total_steps = total_steps(),
                    .loss = sums.loss_sum / samples,
                    .lr = p_.optimizer.lr(),
                    .step_ms = 1e3 * sums.seconds / static_cast<double>(sums.steps),
                    .samples_per_s = samples / sums.seconds,
                    .data_wait_pct = 100 * sums.wait_seconds / sums.seconds,
                    .peak_gib = peak_gib()};
  if (p_.objective.classification) report.top1 = sums.hits / samples;
  if (gradient_norm_.defined()) report.gradient_norm = gradient_norm_.item();
  log_.step(report);
  if (!events_) return;
  std::vector<Scalar> scalars = {{"train/loss", report.loss},
                                 {"lr/group0", report.lr},
                                 {"perf/samples_per_s", report.samples_per_s},
                                 {"perf/data_wait_pct", report.data_wait_pct},
                                 {"mem/peak_gib", report.peak_gib}};
  if (report.top1) scalars.push_back({"train/top1", *report.top1});
  if (report.gradient_norm) scalars.push_back({"grad/norm", *report.gradient_norm});
  events_->write(state_.step, scalars);
}

// Nothing when there is no validation data, or when a signal came meanwhile.
std::optional<Evaluation> Trainer::Run::validate() {
  if (!p_.validation) return {};
  const ProfileRange range(Phase::eval, "eval");
  const Autocast autocast(o_.amp);
  std::optional<Evaluation> evaluation =
      evaluate(p_.net, p_.validation(), p_.objective, o_.device, [this] { return stop_asked(); });
  if (!evaluation) return {};
  if (!std::isfinite(evaluation->loss))
    fail(ErrorKind::diverged, "train", "the validation loss after step ", state_.step, " is ", evaluation->loss);
  state_.val_loss = evaluation->loss;
  state_.val_top1 = evaluation->top1;
  if (events_) {
    std::vector<Scalar> scalars = {{"val/loss", evaluation->loss}};
    if (evaluation->top1) scalars.push_back({"val/top1", *evaluation->top1});
    events_->write(state_.step, scalars);
  }
  return evaluation;
}

void Trainer::Run::finish_epoch() {
  const std::optional<Evaluation> evaluation = validate();
  if (p_.validation && !evaluation) return;
  checkpoint_saved_ = false;
  if (evaluation) {
    const double score = evaluation->top1.value_or(-evaluation->loss);
    if (!state_.best || score > *state_.best) {
      best_saved_ = save_weights(kBestWeights);
      if (best_saved_) state_.best = score;
    }
  }
  p_.schedule.observe(evaluation ? evaluation->loss : state_.meters.loss());
  write_row(evaluation);
  ++state_.epochs_done;
  if (metrics_) state_.metrics_bytes = metrics_->bytes();
  state_.meters = {};
}

// The end after the last step. When --steps cut an epoch, its row is written beyond what the checkpoint knows, so that
// a later run with more steps takes it back.
void Trainer::Run::end_run() {
  if (state_.meters.samples > 0) {
    const std::optional<Evaluation> evaluation = validate();
    if (p_.validation && !evaluation) return;
    if (evaluation && !state_.best) best_saved_ = save_weights(kBestWeights);
    write_row(evaluation);
  }
  state_.ended = true;
}

void Trainer::Run::write_row(const std::optional<Evaluation>& evaluation) {
  const EpochMeters& m = state_.meters;
  MetricsRow row{.epoch = state_.epochs_done + 1,
                 .step = state_.step,
                 .train_loss = m.loss(),
                 .lr = p_.optimizer.lr(),
                 .samples_per_s = static_cast<double>(m.samples) / m.seconds,
                 .data_wait_pct = 100 * m.wait_seconds / m.seconds,
                 .peak_gib = peak_gib(),
                 .elapsed_s = elapsed_s()};
  if (p_.objective.classification) row.train_top1 = m.top1();
  if (evaluation) row.val_loss = evaluation->loss, row.val_top1 = evaluation->top1;
  log_.epoch(row, o_.epochs);
  last_row_ = row;
  if (metrics_) metrics_->append(to_csv(row));
}

void Trainer::Run::save_checkpoint() {
  const ProfileRange range(Phase::io, "checkpoint");
  if (!p_.folder) return;
  read_pending();
  RunState now = state_;
  now.generator = default_generator();
  now.schedule = p_.schedule.state();
  now.elapsed_s = elapsed_s();
  checkpoint_saved_ = try_to_save([&] {
    // The rows that the state counts on come first.
    if (!metrics_->flush()) fail(ErrorKind::internal, kMetricsFile, "has rows that are not on the disk");
    metrics_->sync();
    const std::filesystem::path folder = p_.folder->path();
    write_checkpoint(folder, {now.step, p_.net.state(), optimizer_state(), to_json(now)});
    prune_checkpoints(folder, o_.checkpoint_keep);
  });
}

bool Trainer::Run::save_weights(const char* file) {
  if (!p_.folder) return true;
  return try_to_save([&] { write_safetensors(p_.folder->file(file).string(), p_.net.state()); });
}

template <typename Save>
bool Trainer::Run::try_to_save(const Save& save) {
  try {
    save();
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::internal) throw;
    warn(error.what(), "; the run goes on and tries again at the next checkpoint");
  } catch (const std::filesystem::filesystem_error& error) {
    warn(error.what(), "; the run goes on and tries again at the next checkpoint");
  }
  return false;
}

double Trainer::Run::peak_gib() const {
  const MemoryStatistics memory = runtime(o_.device.kind).allocator(o_.device.index).statistics();
  return static_cast<double>(memory.peak_bytes) / (1 << 30);
}

Trainer::Trainer(TrainerParts parts, TrainerOptions options) {
  require(options.epochs >= 0 && options.steps >= 0, "trainer", "epochs and steps cannot be negative");
  require(options.log_interval >= 1, "trainer", "log_interval must be at least 1, got ", options.log_interval);
  require(options.checkpoint_keep >= 1, "trainer", "checkpoint_keep must be at least 1, got ", options.checkpoint_keep);
  if (!parts.objective.loss) parts.objective = classification_objective();
  run_ = std::make_unique<Run>(std::move(parts), options);
}

Trainer::~Trainer() = default;

RunResult Trainer::run() { return run_->run(); }

}  // namespace weft::train
