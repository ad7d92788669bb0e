// RunState: everything that decides how a run goes on, beside weights and optimizer tensors, as plain values. It is the
// state.json of a checkpoint: every field must be there, and numbers come back with the same bits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/generator.h"
#include "data/sampler.h"

namespace weft::train {

// Sums over the samples of the epoch that is under way.
struct EpochMeters {
  double loss_sum = 0;  // of loss times batch size
  double hits = 0;      // samples whose largest output is the right class
  std::int64_t samples = 0;
  double seconds = 0;       // spent in training steps
  double wait_seconds = 0;  // of them, waiting for data

  double loss() const { return samples ? loss_sum / static_cast<double>(samples) : 0; }
  double top1() const { return samples ? hits / static_cast<double>(samples) : 0; }
};

struct RunState {
  std::int64_t step = 0;         // updates done
  std::int64_t epochs_done = 0;  // validated and reported; behind sampler.epoch while an epoch waits for that
  data::SamplerState sampler;    // of the next batch
  Generator generator;           // streams of dropout
  std::vector<double> schedule;  // what plateau remembers
  EpochMeters meters;
  std::optional<double> best = {};                     // val_top1 (regression: -val_loss) of best.safetensors
  std::optional<double> val_loss = {}, val_top1 = {};  // of the last validation
  std::uint64_t metrics_bytes = 0;                     // of metrics.csv, up to the last whole epoch
  double elapsed_s = 0;
  bool ended = false;  // the last step is done, and all files of the run are written
};

WEFT_API std::string to_json(const RunState& state);
// Throws Error(data) naming `where` and the field that is missing or has the wrong type.
WEFT_API RunState run_state_from_json(std::string_view text, std::string_view where);

}  // namespace weft::train
