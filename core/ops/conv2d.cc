#include "core/ops/conv2d.h"

#include "core/autocast.h"
#include "core/autograd.h"
#include "core/ops/concat.h"
#include "core/ops/elementwise.h"

namespace weft {
namespace {

Cost forward_cost(const Tensor& x, const Tensor& weight, const Tensor&, Conv2dOptions, const Tensor& y) {
  return convolution_cost(x, weight, y);
}
Cost data_cost(const Tensor& dy, const Tensor& weight, Conv2dOptions, const Tensor& dx) {
  return convolution_cost(dx, weight, dy);
}
Cost weight_cost(const Tensor& x, const Tensor& dy, Conv2dOptions, const Tensor& dw, const Tensor&) {
  return convolution_cost(x, dw, dy);
}

std::int64_t output_size(std::int64_t size, std::int64_t filter, int stride, int padding, int dilation) {
  const std::int64_t room = size + std::int64_t{2} * padding - dilation * (filter - 1) - 1;
  return room < 0 ? -1 : room / stride + 1;
}

void check_operands(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  require(x.dtype() == weight.dtype(), "conv2d", "x is ", x.dtype(), " and weight ", weight.dtype(),
          "; convert one with .to(dtype)");
  require(is_floating(x.dtype()), "conv2d", "x must be of a floating dtype, not ", x.dtype());
  if (bias.defined())
    require(bias.rank() == 1 && bias.size(0) == weight.size(0) && bias.dtype() == x.dtype(), "conv2d", "bias must be ",
            Shape{weight.size(0)}, " of ", x.dtype(), ", not ", bias.shape(), " of ", bias.dtype());
}

// The operands as the slots want them.
struct Operands {
  Operands(const Tensor& x_in, const Tensor& weight_in, const Tensor& bias_in, const Conv2dOptions& o)
      : shape(conv2d_shape(x_in.shape(), weight_in.shape(), o)), options(o) {
    x = autocast(Policy::compute, x_in);
    weight = autocast(Policy::compute, weight_in);
    bias = autocast(Policy::compute, bias_in);
    check_operands(x, weight, bias);
    if (x.format() == MemoryFormat::strided) x = x.contiguous();
    weight = weight.contiguous();
    if (bias.defined()) bias = bias.contiguous();
  }

  Shape shape;  // of y
  Conv2dOptions options;
  Tensor x, weight, bias;
};

// dy in the format of x. A slice of wider pixels stays one where kernels take it as fast.
Tensor images_for(const Tensor& x, const Tensor& dy) {
  const bool pitched = dy.channels_last() && x.channels_last() && concat_in_place(dy.device());
  return pitched ? dy : dy.to(x.format());
}

// What backward needs of them.
struct Saved {
  explicit Saved(const Operands& in) : x(in.x), weight(in.weight), bias(in.bias), options(in.options) {}

  // dy in the format of x.
  Tensors gradients(const Tensor& dy, Needs needs) const {
    Tensor dx, dw, dbias;
    if (needs[0]) {
      dx = needs.gradient(0, x.get());
      conv2d_backward_data(dy, weight.get(), options, dx);
    }
    const bool wants_bias = bias.defined() && needs[2];
    if (wants_bias) dbias = needs.gradient(2, bias.get());
    if (needs[1] || wants_bias) {
      dw = needs[1] ? needs.gradient(1, weight.get()) : empty_like(weight.get());
      conv2d_backward_weight(x.get(), dy, options, dw, dbias);
    }
    return {dx, dw, dbias};
  }

  SavedTensor x, weight, bias;
  Conv2dOptions options;
};

}  // namespace

constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&, Conv2dOptions, const Tensor&)> conv2d_forward{
    "conv2d_forward", forward_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&, Conv2dOptions, const Tensor&)>
    conv2d_bias_relu_forward{"conv2d_bias_relu_forward", forward_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, Conv2dOptions, const Tensor&)> conv2d_backward_data{
    "conv2d_backward_data", data_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, Conv2dOptions, const Tensor&, const Tensor&)>
    conv2d_backward_weight{"conv2d_backward_weight", weight_cost};

Cost convolution_cost(const Tensor& x, const Tensor& weight, const Tensor& y) {
  const double taps = weight.size(0) > 0 ? static_cast<double>(weight.elements() / weight.size(0)) : 0;
  const double macs = static_cast<double>(y.elements()) * taps;
  return {macs, 2 * macs, static_cast<double>(x.bytes() + weight.bytes() + y.bytes())};
}

Shape conv2d_shape(const Shape& x, const Shape& weight, const Conv2dOptions& o) {
  require(x.rank() == 4, "conv2d", "x must be (N, C, H, W), not ", x);
  require(weight.rank() == 4, "conv2d", "weight must be (K, C/groups, R, S), not ", weight);
  require(o.groups >= 1 && o.stride.h >= 1 && o.stride.w >= 1 && o.dilation.h >= 1 && o.dilation.w >= 1 &&
              o.padding.h >= 0 && o.padding.w >= 0,
          "conv2d", "stride, dilation and groups must be at least 1 and padding at least 0, got stride ", o.stride,
          ", dilation ", o.dilation, ", padding ", o.padding, ", groups ", o.groups);
  require(x[1] == weight[1] * o.groups, "conv2d", "x has ", x[1], " channels but weight ", weight, " expects ",
          weight[1], " per group (groups = ", o.groups, ")");
  require(weight[0] % o.groups == 0, "conv2d", "weight ", weight, " has ", weight[0],
          " output channels, which groups = ", o.groups, " does not divide");
  require(weight[2] >= 1 && weight[3] >= 1, "conv2d", "weight ", weight, " has an empty filter");
  const std::int64_t p = output_size(x[2], weight[2], o.stride.h, o.padding.h, o.dilation.h);
  const std::int64_t q = output_size(x[3], weight[3], o.stride.w, o.padding.w, o.dilation.w);
  require(p >= 1 && q >= 1, "conv2d", "x ", x, " with padding ", o.padding, " is smaller than the filter (", weight[2],
          ", ", weight[3], ") with dilation ", o.dilation);
  return {x[0], weight[0], p, q};
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions options, const Tensor& out) {
  const Operands in(x, weight, bias, options);
  Tensor y = output_tensor("conv2d", in.shape, in.x, out);
  conv2d_forward(in.x, in.weight, in.bias, options, y);
  return differentiable("conv2d", {in.x, in.weight, in.bias}, y,
                        [saved = Saved(in)](const Tensor& dy, Needs needs) -> Tensors {
                          return saved.gradients(images_for(saved.x.get(), dy), needs);
                        });
}

Tensor conv2d_bias_relu(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions options,
                        const Tensor& out) {
  const Operands in(x, weight, bias, options);
  Tensor y = output_tensor("conv2d_bias_relu", in.shape, in.x, out);
  conv2d_bias_relu_forward(in.x, in.weight, in.bias, options, y);
  return differentiable("conv2d_bias_relu", {in.x, in.weight, in.bias}, y,
                        [saved = Saved(in), y = SavedTensor(y)](const Tensor& dy, Needs needs) -> Tensors {
                          const Tensor masked = reused_gradient(dy, y.get());  // once, for both gradients
                          unary_backward(Unary::relu, {}, y.get(), dy, masked);
                          return saved.gradients(masked, needs);
                        });
}

}  // namespace weft
