// How a tensor is printed: as NumPy does it (numpy.array2string with its default options: 8 digits of precision at
// most, shortest that tell the values apart, columns aligned, more than 1000 elements summarised by their edges).

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/autograd.h"
#include "core/tensor.h"

namespace weft {
namespace {

constexpr int kPrecision = 8;
constexpr std::int64_t kThreshold = 1000;  // elements from which a tensor is summarised
constexpr std::int64_t kEdge = 3;          // elements shown at each end of a summarised axis
constexpr std::size_t kLineWidth = 75;

// Writes values of one tensor, all in the same width.
class Formatter {
 public:
  Formatter(DType dtype, const std::vector<double>& values) : dtype_(dtype) {
    if (is_floating(dtype)) choose_float_style(values);
    for (const double v : values) width_ = std::max(width_, plain(v).size());
  }
  std::string operator()(double value) const {
    const std::string text = plain(value);
    return std::string(width_ - std::min(width_, text.size()), ' ') + text;
  }

 private:
  // Exponents when the values span more than NumPy shows as decimals.
  void choose_float_style(const std::vector<double>& values) {
    double low = INFINITY, high = 0;
    for (const double v : values) {
      if (v == 0 || !std::isfinite(v)) continue;
      low = std::min(low, std::fabs(v));
      high = std::max(high, std::fabs(v));
    }
    scientific_ = high >= 1e8 || (std::isfinite(low) && (low < 1e-4 || high / low > 1000));
    for (const double v : values)
      if (std::isfinite(v)) digits_ = std::max(digits_, needed_digits(v));
  }

  std::string written(double value, int digits) const {
    char text[512];
    const auto style = scientific_ ? std::chars_format::scientific : std::chars_format::fixed;
    const auto end = std::to_chars(text, text + sizeof text, value, style, digits).ptr;
    return {text, end};
  }
  // The fewest digits after the point that still round to this value in its dtype, at most kPrecision.
  int needed_digits(double value) const {
    for (int digits = 0; digits < kPrecision; ++digits) {
      const std::string text = written(value, digits);
      double read = 0;
      std::from_chars(text.data(), text.data() + text.size(), read);
      if (in_dtype(read) == in_dtype(value)) return digits;
    }
    return kPrecision;
  }
  double in_dtype(double value) const {
    if (dtype_ == DType::f16) return static_cast<float>(Half(static_cast<float>(value)));
    if (dtype_ == DType::bf16) return static_cast<float>(BFloat16(static_cast<float>(value)));
    return dtype_ == DType::f32 ? static_cast<float>(value) : value;
  }

  std::string plain(double value) const {
    if (dtype_ == DType::boolean) return value != 0 ? "True" : "False";
    if (!is_floating(dtype_)) return std::to_string(static_cast<std::int64_t>(value));
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    if (scientific_) {
      std::string text = written(value, digits_);
      if (digits_ == 0) text.insert(text.find('e'), ".");
      return text;
    }
    // Each value with the digits it needs, then blanks, so that points stay aligned.
    const int digits = needed_digits(value);
    const std::string blanks(static_cast<std::size_t>(digits_ - digits), ' ');
    return written(value, digits) + (digits == 0 ? "." : "") + blanks;
  }

  DType dtype_;
  bool scientific_ = false;
  int digits_ = 0;
  std::size_t width_ = 0;
};

class Printer {
 public:
  Printer(const Tensor& host, const std::vector<double>& all)
      : shape_(host.shape()),
        summarise_(host.elements() > kThreshold),
        all_(all),
        format_(host.dtype(), shown_values()) {}

  std::string text() const {
    if (shape_.rank() == 0) return format_(all_[0]);
    return axis_text(0, 0, 1);
  }

 private:
  // Whether index i of that axis is left out of a summary.
  bool hidden(int axis, std::int64_t i) const {
    return summarise_ && shape_[axis] > 2 * kEdge && i >= kEdge && i < shape_[axis] - kEdge;
  }

  std::vector<double> shown_values() const {
    if (!summarise_) return all_;
    std::vector<double> shown;
    collect(0, 0, shown);
    return shown;
  }
  void collect(int axis, std::int64_t offset, std::vector<double>& out) const {
    if (axis == shape_.rank()) return out.push_back(all_[static_cast<std::size_t>(offset)]);
    for (std::int64_t i = 0; i < shape_[axis]; ++i)
      if (!hidden(axis, i)) collect(axis + 1, offset * shape_[axis] + i, out);
  }

  std::string axis_text(int axis, std::int64_t offset, std::size_t indent) const {
    const bool innermost = axis + 1 == shape_.rank();
    const std::string blank(indent, ' ');
    const std::string separator =
        innermost ? " " : std::string(static_cast<std::size_t>(shape_.rank() - axis - 1), '\n') + blank;
    std::string text = "[";
    std::size_t line = indent;
    bool dots = false;
    for (std::int64_t i = 0; i < shape_[axis]; ++i) {
      if (hidden(axis, i) && dots) continue;
      dots = hidden(axis, i);
      const std::int64_t at = offset * shape_[axis] + i;
      const std::string item = dots        ? "..."
                               : innermost ? format_(all_[static_cast<std::size_t>(at)])
                                           : axis_text(axis + 1, at, indent + 1);
      const bool wrap = innermost && line + 1 + item.size() > kLineWidth;
      if (wrap) {
        text.erase(text.find_last_not_of(' ') + 1);
        line = indent;
      }
      if (i > 0) text += wrap ? "\n" + blank : separator;
      text += item;
      line += item.size() + 1;
    }
    return text + "]";
  }

  Shape shape_;
  bool summarise_;
  const std::vector<double>& all_;
  Formatter format_;
};

}  // namespace

std::string to_string(const Tensor& x) {
  if (!x.defined()) return "undefined";
  const std::vector<double> values = x.to_vector();
  std::string text = x.elements() == 0 ? "[]" : Printer(x, values).text();
  if (x.elements() == 0 && x.rank() > 1) text += message(" shape ", x.shape());
  return text;
}

}  // namespace weft
