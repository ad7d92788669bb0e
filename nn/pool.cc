#include "nn/pool.h"

namespace weft::nn {
namespace {

std::string describe(const Pool2dOptions& options) {
  std::string text = message("kernel = ", options.kernel);
  if (options.stride != Pair(0)) text += message(", stride = ", options.stride);
  if (options.padding != Pair(0)) text += message(", padding = ", options.padding);
  if (options.ceil_mode) text += ", ceil_mode = true";
  return text;
}

}  // namespace

std::string MaxPool2d::options() const { return describe(options_); }
Tensor MaxPool2d::forward_into(const Tensor& x, const Tensor& out) { return max_pool2d(x, options_, out); }
std::optional<Shape> MaxPool2d::output_shape(const Shape& x) {
  Pool2dOptions options = options_;
  return pool2d_shape(x, options, "max_pool2d");
}

std::string AvgPool2d::options() const {
  return describe(options_) + (options_.count_include_pad ? "" : ", count_include_pad = false");
}
Tensor AvgPool2d::forward_into(const Tensor& x, const Tensor& out) { return avg_pool2d(x, options_, out); }
std::optional<Shape> AvgPool2d::output_shape(const Shape& x) {
  Pool2dOptions options = options_;
  return pool2d_shape(x, options, "avg_pool2d");
}

std::string AdaptiveAvgPool2d::options() const { return message("out = ", out_); }
Tensor AdaptiveAvgPool2d::forward(const Tensor& x) { return adaptive_avg_pool2d(x, out_); }

Tensor GlobalAvgPool2d::forward(const Tensor& x) { return global_avg_pool2d(x); }

}  // namespace weft::nn
