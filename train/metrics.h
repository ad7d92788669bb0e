// metrics.csv: one row per epoch, and one at the end of a run that --steps cuts. A resumed run cuts the file to what
// its checkpoint knows, so that the rows are those of a run that was never killed (times and memory aside).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/export.h"

namespace weft::train {

struct MetricsRow {
  std::int64_t epoch = 0;  // the epoch it belongs to, counted from 1
  std::int64_t step = 0;   // steps done since the start of the run
  double train_loss = 0;   // running means over the epoch; accuracies are fractions
  std::optional<double> train_top1 = {}, val_loss = {}, val_top1 = {};
  double lr = 0;  // of the last step
  double samples_per_s = 0, data_wait_pct = 0, peak_gib = 0, elapsed_s = 0;
};

inline constexpr const char* kMetricsHeader =
    "epoch,step,train_loss,train_top1,val_loss,val_top1,lr,samples_per_s,data_wait_pct,peak_gib,elapsed_s\n";

// The row as a line with its line feed; unknown values are empty, numbers are read back exactly.
WEFT_API std::string to_csv(const MetricsRow& row);

}  // namespace weft::train
