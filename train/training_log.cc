#include "train/training_log.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/error.h"

namespace weft::train {
namespace {

template <typename... Values>
std::string formatted(const char* format, Values... values) {
  char text[128];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

// 16,700 as "16.7k", 312 as "312".
std::string short_count(double value) {
  if (value >= 1e6) return formatted("%.1fM", value / 1e6);
  if (value >= 1e3) return formatted("%.1fk", value / 1e3);
  return formatted("%.0f", value);
}

std::string loss_and_top1(double loss, std::optional<double> top1, const char* separator) {
  std::string text = formatted("loss %.4f", loss);
  if (top1) text += separator + formatted("top1 %.1f%%", 100 * *top1);
  return text;
}

int terminal_columns() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// "[=======>      ] step …", as wide as the terminal allows.
std::string bar(const StepReport& report) {
  const std::string text = to_line(report);
  const int room = terminal_columns() - static_cast<int>(text.size()) - 4;
  if (room < 8 || report.total_steps <= 0) return text;
  const int width = std::min(room, 40);
  const int filled = static_cast<int>(report.step * width / report.total_steps);
  std::string out = "[" + std::string(static_cast<std::size_t>(filled), '=');
  if (filled < width) out += '>' + std::string(static_cast<std::size_t>(width - filled - 1), ' ');
  return out + "] " + text;
}

constexpr const char* kClearLine = "\r\033[K";

}  // namespace

std::string to_line(const StepReport& r) {
  std::string text = message("step ", r.step, "/", r.total_steps, " | ") + loss_and_top1(r.loss, r.top1, " | ");
  text += formatted(" | lr %.1e | %.1f ms | ", r.lr, r.step_ms) + short_count(r.samples_per_s);
  return text + formatted(" img/s | data %.0f%% | %.1f GiB", r.data_wait_pct, r.peak_gib);
}

std::string to_line(const MetricsRow& row, std::int64_t total_epochs) {
  std::string text = message("epoch ", row.epoch, "/", total_epochs, " | train ");
  text += loss_and_top1(row.train_loss, row.train_top1, " ");
  if (row.val_loss) text += " | val " + loss_and_top1(*row.val_loss, row.val_top1, " ");
  return text + formatted(" | %.1f s", row.elapsed_s);
}

TrainingLog::TrainingLog(LogStyle style) : style_(style) {
  if (style_ == LogStyle::automatic) style_ = ::isatty(STDOUT_FILENO) ? LogStyle::bar : LogStyle::lines;
}

TrainingLog::~TrainingLog() {
  if (bar_open_) std::fputs("\n", stdout);
}

bool TrainingLog::due(std::int64_t step, std::int64_t interval) const {
  using namespace std::chrono_literals;
  if (step % interval == 0) return true;
  return style_ == LogStyle::bar && std::chrono::steady_clock::now() - bar_drawn_ > 100ms;
}

void TrainingLog::step(const StepReport& report) {
  if (style_ == LogStyle::lines) line(to_line(report));
  if (style_ == LogStyle::json) line(to_json(report));
  if (style_ != LogStyle::bar) return;
  std::fputs((kClearLine + bar(report)).c_str(), stdout);
  std::fflush(stdout);
  bar_open_ = true;
  bar_drawn_ = std::chrono::steady_clock::now();
}

void TrainingLog::epoch(const MetricsRow& row, std::int64_t total_epochs) {
  if (style_ == LogStyle::json)
    line(to_json(row));
  else if (style_ == LogStyle::lines || style_ == LogStyle::bar)
    line(to_line(row, total_epochs));
}

void TrainingLog::note(std::string_view text) {
  if (style_ == LogStyle::lines || style_ == LogStyle::bar) line(std::string(text));
}

void TrainingLog::result(const RunResult& result) {
  if (style_ == LogStyle::json) return line(to_json(result));
  if (style_ == LogStyle::silent) return;
  if (result.was_finished)
    return line(message("this run is finished already: ", result.epochs, " epochs, ", result.steps, " steps"));
  std::string text = message(result.stopped_by ? "stopped by a signal after " : "finished ", result.epochs, " epochs, ",
                             result.steps, " steps");
  if (result.val_top1)
    text += formatted(" | val top1 %.2f%%", 100 * *result.val_top1);
  else if (result.val_loss)
    text += formatted(" | val loss %.6g", *result.val_loss);
  if (!result.output.empty()) text += " | " + result.output;
  line(text);
}

void TrainingLog::line(const std::string& text) {
  if (bar_open_) std::fputs(kClearLine, stdout);
  bar_open_ = false;
  std::fputs((text + "\n").c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace weft::train
