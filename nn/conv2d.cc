#include "nn/conv2d.h"

#include <cmath>

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

Tensor Conv2d::run(const Tensor& x, const Tensor& out) {
  const Conv2dOptions options{.stride = spec_.stride,
                              .padding = spec_.padding,
                              .dilation = spec_.dilation,
                              .groups = static_cast<int>(spec_.groups)};
  return spec_.relu ? conv2d_bias_relu(x, weight_, bias_, options, out) : conv2d(x, weight_, bias_, options, out);
}
Tensor Conv2d::forward(const Tensor& x) { return run(x, {}); }
Tensor Conv2d::operator()(const Tensor& x, const Tensor& out) {
  return call(x, [&] { return run(x, out); });
}

}  // namespace weft::nn
