#include "nn/conv2d.h"

#include <cmath>

#include "core/ops/normalized_conv2d.h"
#include "nn/init.h"

namespace weft::nn {

Conv2d::Conv2d(Conv2dSpec spec) : spec_(spec) {
  require(spec.in > 0 && spec.out > 0, "conv2d", "in and out must be positive, got ", spec.in, " and ", spec.out);
  require(spec.kernel.h > 0 && spec.kernel.w > 0, "conv2d", "kernel must be positive, got ", spec.kernel);
  require(spec.groups > 0 && spec.in % spec.groups == 0 && spec.out % spec.groups == 0, "conv2d",
          "groups must divide in and out, got groups = ", spec.groups, ", in = ", spec.in, ", out = ", spec.out);
  weight_ = empty({spec.out, spec.in / spec.groups, spec.kernel.h, spec.kernel.w});
  const double bound = 1 / std::sqrt(init::fans(weight_).in);
  init::uniform(weight_, -bound, bound);
  weight_.set_requires_grad();
  if (!spec.bias) return;
  bias_ = empty({spec.out});
  init::uniform(bias_, -bound, bound);
  bias_.set_requires_grad();
}

void Conv2d::members(Visitor& visitor) { visitor("weight", weight_, "bias", bias_); }

std::string Conv2d::options() const {
  std::string text = message("in = ", spec_.in, ", out = ", spec_.out, ", kernel = ", spec_.kernel);
  if (spec_.stride != Pair(1)) text += message(", stride = ", spec_.stride);
  if (spec_.padding != Pair(0)) text += message(", padding = ", spec_.padding);
  if (spec_.dilation != Pair(1)) text += message(", dilation = ", spec_.dilation);
  if (spec_.groups != 1) text += message(", groups = ", spec_.groups);
  if (!spec_.bias) text += ", bias = false";
  if (spec_.relu) text += ", relu";
  return text;
}

Conv2dOptions Conv2d::convolution() const {
  return {.stride = spec_.stride,
          .padding = spec_.padding,
          .dilation = spec_.dilation,
          .groups = static_cast<int>(spec_.groups)};
}

Tensor Conv2d::forward_into(const Tensor& x, const Tensor& out) {
  return spec_.relu ? conv2d_bias_relu(x, weight_, bias_, convolution(), out)
                    : conv2d(x, weight_, bias_, convolution(), out);
}

std::optional<Shape> Conv2d::output_shape(const Shape& x) { return conv2d_shape(x, weight_.shape(), convolution()); }

FeatureMap Conv2d::carry(const FeatureMap& in, bool statistics) {
  Convolved out;
  call(in.x, [&] {
    if (in.pending)
      out = normalized_conv2d(in.x, in.pending->arguments(in.statistics), weight_, convolution(), statistics);
    else if (statistics)
      out = conv2d_with_statistics(in.x, weight_, convolution());
    else
      out.y = forward(in.x);
    return out.y;
  });
  return {out.y, out.statistics};
}

}  // namespace weft::nn
