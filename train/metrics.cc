#include "train/metrics.h"

#include <charconv>

#include "core/error.h"

namespace weft::train {
namespace {

std::string exact(std::optional<double> value) { return value ? message(*value) : std::string(); }

std::string rounded(double value, int decimals) {
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, decimals).ptr;
  return {digits, end};
}

}  // namespace

std::string to_csv(const MetricsRow& row) {
  return message(row.epoch, ',', row.step, ',', row.train_loss, ',', exact(row.train_top1), ',', exact(row.val_loss),
                 ',', exact(row.val_top1), ',', row.lr, ',', rounded(row.samples_per_s, 1), ',',
                 rounded(row.data_wait_pct, 1), ',', rounded(row.peak_gib, 4), ',', rounded(row.elapsed_s, 3), '\n');
}

}  // namespace weft::train
