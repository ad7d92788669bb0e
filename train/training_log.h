// TrainingLog: what a run says while it goes on: one line an interval, a progress bar on a terminal, or JSON lines.
// It formats and prints, and knows nothing of the run itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/export.h"
#include "train/metrics.h"

namespace weft::train {

// Means over the steps since the last report.
struct StepReport {
  std::int64_t step = 0, total_steps = 0;  // done, and at the end of the run
  double loss = 0;
  std::optional<double> top1 = {};
  double lr = 0, step_ms = 0, samples_per_s = 0, data_wait_pct = 0, peak_gib = 0;
  std::optional<double> gradient_norm = {};
};

// The end of a run.
struct RunResult {
  std::int64_t epochs = 0, steps = 0;
  std::optional<double> val_loss = {}, val_top1 = {};  // of the last validation
  std::optional<MetricsRow> last_epoch = {};           // the last row of metrics.csv that this process made
  std::string output = {};
  int stopped_by = 0;         // the signal that ended the run early, or 0
  bool was_finished = false;  // nothing was left to do
  bool saved = true;          // false: the last checkpoint, weights or metrics could not be written
};

// "step 1200/90000 | loss 2.3141 | top1 48.1% | lr 8.0e-02 | 61.3 ms | 16.7k img/s | data 2% | 9.1 GiB"
WEFT_API std::string to_line(const StepReport& report);
// "epoch 3/10 | train loss 0.5120 top1 81.3% | val loss 0.5316 top1 80.4% | 12.9 s"
WEFT_API std::string to_line(const MetricsRow& row, std::int64_t total_epochs);
WEFT_API std::string to_json(const StepReport& report);
WEFT_API std::string to_json(const MetricsRow& row);
WEFT_API std::string to_json(const RunResult& result);

// automatic: a bar on a terminal, else lines; quiet: the result alone; silent: nothing.
enum class LogStyle { automatic, lines, bar, json, quiet, silent };

class WEFT_API TrainingLog {
 public:
  explicit TrainingLog(LogStyle style = LogStyle::automatic);
  ~TrainingLog();  // ends the bar's line

  // Whether a report now would be shown: at the interval's end, or when the bar is due again.
  bool due(std::int64_t step, std::int64_t interval) const;
  void step(const StepReport& report);
  void epoch(const MetricsRow& row, std::int64_t total_epochs);
  void note(std::string_view text);  // a line of its own; JSON and quiet leave it out
  void result(const RunResult& result);

 private:
  void line(const std::string& text);

  LogStyle style_;
  bool bar_open_ = false;
  std::chrono::steady_clock::time_point bar_drawn_{};
};

}  // namespace weft::train
