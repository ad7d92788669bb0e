#include "core/ops/normalized_conv2d.h"

#include "core/autocast.h"
#include "core/autograd.h"
#include "core/ops/concat.h"

namespace weft {
namespace {

Cost statistics_cost(const Tensor& x, const Tensor& filter, Conv2dOptions, const Tensor& y, const Tensor&,
                     const Tensor&) {
  return convolution_cost(x, filter, y);
}
Cost forward_cost(const Tensor& x, const Normalization&, const Tensor& filter, Conv2dOptions, const Tensor& y,
                  const Tensor&, const Tensor&) {
  return convolution_cost(x, filter, y);
}
Cost data_cost(const Tensor& x, const Normalization&, const Tensor& dy, const Tensor& filter, Conv2dOptions,
               const Tensor& dz, const Tensor&, const Tensor&) {
  Cost cost = convolution_cost(x, filter, dy);
  cost.bytes += static_cast<double>(dz.bytes());
  return cost;
}
Cost weight_cost(const Tensor& x, const Normalization&, const Tensor& dy, Conv2dOptions, const Tensor& dfilter) {
  return convolution_cost(x, dfilter, dy);
}

// The operands as the slots want them.
struct Operands {
  Operands(const char* op, const Tensor& x_in, const Tensor& filter_in, const Conv2dOptions& o)
      : shape(conv2d_shape(x_in.shape(), filter_in.shape(), o)),
        options(o),
        x(autocast(Policy::compute, x_in)),
        filter(autocast(Policy::compute, filter_in).contiguous()) {
    require(x.dtype() == filter.dtype(), op, "x is ", x.dtype(), " and the filter ", filter.dtype(),
            "; convert one with .to(dtype)");
    require(is_floating(x.dtype()), op, "x must be of a floating dtype, not ", x.dtype());
    if (x.format() == MemoryFormat::strided) x = x.contiguous();
  }

  Shape shape;  // of y
  Conv2dOptions options;
  Tensor x, filter;
};

BatchStatistics room_for_statistics(const Tensor& y) {
  if (y.elements() == 0) return {};
  const TensorOptions options = {y.dtype() == DType::f64 ? DType::f64 : DType::f32, y.device()};
  return {empty({y.size(1)}, options), empty({y.size(1)}, options), y.elements() / y.size(1)};
}

// dy in the format of x. A slice of wider pixels stays one where kernels take it as fast.
Tensor images_for(const Tensor& x, const Tensor& dy) {
  const bool pitched = dy.channels_last() && x.channels_last() && concat_in_place(dy.device());
  return pitched ? dy : dy.to(x.format());
}

// What backward keeps, and the gradients from it: of x, batch norm's weight and bias, and the filter.
struct Saved {
  SavedTensor x, mean, variance, weight, bias, filter;
  double eps;
  bool training;
  Conv2dOptions options;

  Tensors gradients(const Tensor& dy_in, Needs needs) const {
    const Normalization norm = {mean.get(), variance.get(), weight.get(), bias.get(), eps};
    const Tensor dy = images_for(x.get(), dy_in);
    Tensor dx, dweight, dbias, dfilter;
    if (needs[0] || needs[1] || needs[2]) {
      dweight = needs[1] ? needs.gradient(1, norm.mean) : empty_like(norm.mean);
      dbias = needs[2] ? needs.gradient(2, norm.mean) : empty_like(norm.mean);
      const Tensor dz = empty_like(x.get());
      normalized_conv2d_backward_data(x.get(), norm, dy, filter.get(), options, dz, dweight, dbias);
      if (needs[0]) {
        dx = empty_like(x.get());
        const Tensor none;
        batch_norm_backward_data(x.get(), none, dz, norm.mean, norm.variance, norm.weight, training ? dweight : none,
                                 training ? dbias : none, eps, dx);
      }
    }
    if (needs[3]) {
      dfilter = needs.gradient(3, filter.get());
      normalized_conv2d_backward_weight(x.get(), norm, dy, options, dfilter);
    }
    return {dx, dweight, dbias, dfilter};
  }
};

}  // namespace

constinit KernelSlot<void(const Tensor&, const Tensor&, Conv2dOptions, const Tensor&, const Tensor&, const Tensor&)>
    conv2d_statistics_forward{"conv2d_statistics_forward", statistics_cost};
constinit KernelSlot<void(const Tensor&, const Normalization&, const Tensor&, Conv2dOptions, const Tensor&,
                          const Tensor&, const Tensor&)>
    normalized_conv2d_forward{"normalized_conv2d_forward", forward_cost};
constinit KernelSlot<void(const Tensor&, const Normalization&, const Tensor&, const Tensor&, Conv2dOptions,
                          const Tensor&, const Tensor&, const Tensor&)>
    normalized_conv2d_backward_data{"normalized_conv2d_backward_data", data_cost};
constinit KernelSlot<void(const Tensor&, const Normalization&, const Tensor&, Conv2dOptions, const Tensor&)>
    normalized_conv2d_backward_weight{"normalized_conv2d_backward_weight", weight_cost};

Convolved conv2d_with_statistics(const Tensor& x, const Tensor& filter, Conv2dOptions options, const Tensor& out) {
  const Operands in("conv2d_with_statistics", x, filter, options);
  Tensor y = output_tensor("conv2d_with_statistics", in.shape, in.x, out);
  const BatchStatistics batch = room_for_statistics(y);
  if (batch.defined()) conv2d_statistics_forward(in.x, in.filter, options, y, batch.mean, batch.variance);
  y = differentiable(
      "conv2d_with_statistics", {in.x, in.filter}, y,
      [x = SavedTensor(in.x), filter = SavedTensor(in.filter), options](const Tensor& dy_in, Needs needs) -> Tensors {
        const Tensor dy = images_for(x.get(), dy_in);
        Tensor dx, dfilter;
        if (needs[0]) {
          dx = needs.gradient(0, x.get());
          conv2d_backward_data(dy, filter.get(), options, dx);
        }
        if (needs[1]) {
          dfilter = needs.gradient(1, filter.get());
          conv2d_backward_weight(x.get(), dy, options, dfilter, {});
        }
        return {dx, dfilter};
      });
  return {y, batch};
}

Convolved normalized_conv2d(const Tensor& x_in, const BatchNormRelu& norm, const Tensor& filter_in,
                            Conv2dOptions options, bool statistics, const Tensor& out) {
  constexpr const char* op = "normalized_conv2d";
  const Operands in(op, x_in, filter_in, options);
  const BatchStatistics by =
      normalizing_statistics(op, in.x, norm.weight, norm.bias, norm.running, norm.options, norm.known);
  const auto per_channel = [&](const Tensor& v) { return v.defined() ? v.to(by.mean.dtype()).contiguous() : v; };
  const Tensor weight = per_channel(norm.weight), bias = per_channel(norm.bias);
  Tensor y = output_tensor(op, in.shape, in.x, out);
  const BatchStatistics batch = statistics ? room_for_statistics(y) : BatchStatistics{};
  normalized_conv2d_forward(in.x, {by.mean, by.variance, weight, bias, norm.options.eps}, in.filter, options, y,
                            batch.mean, batch.variance);
  Saved saved{SavedTensor(in.x),   SavedTensor(by.mean),  SavedTensor(by.variance),
              SavedTensor(weight), SavedTensor(bias),     SavedTensor(in.filter),
              norm.options.eps,    norm.options.training, options};
  y = differentiable(op, {in.x, weight, bias, in.filter}, y,
                     [saved = std::move(saved)](const Tensor& dy, Needs needs) { return saved.gradients(dy, needs); });
  return {y, batch};
}

}  // namespace weft
