// Trainer: turns a net, an optimizer and data into a run: steps, validation, checkpoints, metrics and a log, with exact
// resume. It knows no command line and builds nothing: the parts are the caller's and outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "data/loader.h"
#include "nn/module.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "train/evaluate.h"
#include "train/run_folder.h"
#include "train/training_log.h"

namespace weft::train {

// The steps first to last, counted from 1, both included; none while last is 0.
struct StepRange {
  std::int64_t first = 0, last = 0;
};

struct TrainerOptions {
  std::int64_t epochs = 1;
  std::int64_t steps = 0;             // stop after this many; 0: no limit
  double clip_norm = 0;               // bound on the norm of all gradients; 0: none
  double clip_value = 0;              // bound on each element of the gradients; 0: none
  Device device = {};                 // where the net lives; batches are moved there
  std::optional<DType> amp = {};      // f16 or bf16: mixed precision (core/autocast.h), in f16 with loss scaling
  bool capture = false;               // record a step once and replay it (core/runtime/capture.h); same bits
  StepRange profile = {};             // steps that a profiler is told to collect; needs a CUDA device
  std::int64_t log_interval = 50;     // steps
  std::int64_t checkpoint_every = 0;  // steps; 0: after each epoch only
  std::int64_t checkpoint_keep = 3;
  LogStyle log = LogStyle::automatic;
};

struct TrainerParts {
  nn::Module& net;
  optim::Optimizer& optimizer;
  optim::Schedule& schedule;  // of time in epochs
  data::Loader& data;
  // Asked for when the first epoch ends, so that a run starts before its validation data is read. Null: none.
  std::function<data::Loader&()> validation = {};
  Objective objective = {};
  RunFolder* folder = nullptr;  // null: nothing is saved
};

class WEFT_API Trainer {
 public:
  Trainer(TrainerParts parts, TrainerOptions options);
  ~Trainer();

  // Goes on from the newest checkpoint of the folder when there is one, else from the beginning. Ends after the last
  // epoch or step, or after the step in which SIGTERM or SIGINT came, with a checkpoint. A loss that is NaN or infinite
  // is Error(diverged) naming the step.
  RunResult run();

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

}  // namespace weft::train
