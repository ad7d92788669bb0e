// Batch normalisation inside convolutions by cuDNN, whose engines for it take f16 channels-last images: statistics
// while y is written, scale, shift and ReLU while x is read, and in the data gradient the ReLU's mask, taken from x
// once more, and the sums that batch norm's parameters get.
#include "core/ops/normalized_conv2d.h"

#include "core/ops/copy.h"
#include "kernels/cudnn/call.h"

namespace weft::cudnn {
namespace {

Tensor numbers(std::int64_t channels, const Tensor& like, DType dtype = DType::f32) {
  return empty({channels}, {dtype, like.device()});
}

// Always with statistics: cuDNN has no precompiled engine for the normalisation alone.
Call forward_call(const Tensor& x, const Tensor& filter, const Conv2dOptions& o, const Tensor& y, bool normalized) {
  Call call = call_of(Direction::forward, x, filter, y, o);
  call.convolution.normalized = normalized;
  call.convolution.statistics = true;
  return call;
}
Call gradient_call(Direction direction, const Tensor& x, const Tensor& filter, const Conv2dOptions& o,
                   const Tensor& dy) {
  Call call = call_of(direction, x, filter, dy, o);
  call.convolution.normalized = true;
  return call;
}

// x * scale + shift as the graphs read it: rounded to the images' dtype.
struct Affine {
  Affine(const Tensor& x, const Normalization& norm)
      : scale(numbers(x.size(1), x, x.dtype())), shift(numbers(x.size(1), x, x.dtype())) {
    batch_norm_affine(norm.mean, norm.variance, norm.weight, norm.bias, norm.eps, scale, shift);
  }
  Tensor scale, shift;
};

void run_forward(const Call& call, Operands operands, const Tensor& mean, const Tensor& variance) {
  const Tensor filter = ordered_filter(call), &y = call.y;
  operands.insert(operands.end(), {{kX, call.x.raw()}, {kWeight, filter.raw()}, {kY, y.raw()}});
  const Tensor sum = numbers(y.size(1), y), squares = numbers(y.size(1), y);
  operands.insert(operands.end(), {{kSum, sum.raw()}, {kSquares, squares.raw()}});
  run(call, operands);
  if (mean.defined()) batch_norm_moments(sum, squares, y.elements() / y.size(1), mean, variance);
}

void forward_statistics(const Tensor& x, const Tensor& filter, Conv2dOptions o, const Tensor& y, const Tensor& mean,
                        const Tensor& variance) {
  run_forward(forward_call(x, filter, o, y, false), {}, mean, variance);
}
std::string refuse_statistics(const Tensor& x, const Tensor& filter, Conv2dOptions o, const Tensor& y, const Tensor&,
                              const Tensor&) {
  return refuse(forward_call(x, filter, o, y, false));
}

void forward(const Tensor& x, const Normalization& norm, const Tensor& filter, Conv2dOptions o, const Tensor& y,
             const Tensor& mean, const Tensor& variance) {
  const Affine affine(x, norm);
  run_forward(forward_call(x, filter, o, y, true), {{kScale, affine.scale.raw()}, {kShift, affine.shift.raw()}}, mean,
              variance);
}
std::string refuse_forward(const Tensor& x, const Normalization&, const Tensor& filter, Conv2dOptions o,
                           const Tensor& y, const Tensor&, const Tensor&) {
  return refuse(forward_call(x, filter, o, y, true));
}

void backward_data(const Tensor& x, const Normalization& norm, const Tensor& dy, const Tensor& filter, Conv2dOptions o,
                   const Tensor& dz, const Tensor& dweight, const Tensor& dbias) {
  const Call call = gradient_call(Direction::backward_data, x, filter, o, dy);
  const Tensor ordered = ordered_filter(call), inverse = numbers(x.size(1), x),
               unread = empty({3, x.size(1)}, {DType::f32, x.device()});
  batch_norm_affine(norm.mean, norm.variance, {}, {}, norm.eps, inverse, {});
  // Parameters may lie anywhere in their arena.
  const auto target = [&](const Tensor& t) { return aligned(t) ? t : numbers(t.size(0), x); };
  const Tensor weight_sums = target(dweight), bias_sums = target(dbias);
  float* const rest = unread.data<float>();
  run(call, {{kX, x.raw()},
             {kWeight, ordered.raw()},
             {kY, dy.raw()},
             {kMean, norm.mean.raw()},
             {kInverseDeviation, inverse.raw()},
             {kNormWeight, norm.weight.raw()},
             {kNormBias, norm.bias.raw()},
             {kDz, dz.raw()},
             {kNormWeightGradient, weight_sums.raw()},
             {kNormBiasGradient, bias_sums.raw()},
             {kUnread1, rest},
             {kUnread2, rest + x.size(1)},
             {kUnread3, rest + 2 * x.size(1)}});
  if (weight_sums.raw() != dweight.raw()) copy_forward(weight_sums, dweight);
  if (bias_sums.raw() != dbias.raw()) copy_forward(bias_sums, dbias);
}
std::string refuse_data(const Tensor& x, const Normalization& norm, const Tensor& dy, const Tensor& filter,
                        Conv2dOptions o, const Tensor& dz, const Tensor&, const Tensor&) {
  if (!norm.weight.defined() || !norm.bias.defined()) return "the normalisation has no weight or no bias";
  return refuse(gradient_call(Direction::backward_data, x, filter, o, dy), {norm.mean, norm.weight, norm.bias, dz});
}

void backward_weight(const Tensor& x, const Normalization& norm, const Tensor& dy, Conv2dOptions o,
                     const Tensor& dfilter) {
  const Affine affine(x, norm);
  run_into_filter(gradient_call(Direction::backward_weight, x, dfilter, o, dy),
                  {{kX, x.raw()}, {kY, dy.raw()}, {kScale, affine.scale.raw()}, {kShift, affine.shift.raw()}});
}
std::string refuse_weight(const Tensor& x, const Normalization&, const Tensor& dy, Conv2dOptions o,
                          const Tensor& dfilter) {
  return refuse(gradient_call(Direction::backward_weight, x, dfilter, o, dy));
}

constexpr DeviceKind kCuda = DeviceKind::cuda;

[[maybe_unused]] const bool registered[] = {
    conv2d_statistics_forward.add(
        {.device = kCuda, .name = "cudnn.graph", .rank = 20, .refuse = refuse_statistics, .run = forward_statistics}),
    normalized_conv2d_forward.add(
        {.device = kCuda, .name = "cudnn.graph", .rank = 20, .refuse = refuse_forward, .run = forward}),
    normalized_conv2d_backward_data.add(
        {.device = kCuda, .name = "cudnn.graph", .rank = 20, .refuse = refuse_data, .run = backward_data}),
    normalized_conv2d_backward_weight.add(
        {.device = kCuda, .name = "cudnn.graph", .rank = 20, .refuse = refuse_weight, .run = backward_weight}),
};

}  // namespace
}  // namespace weft::cudnn
