// Convolution with batch normalisation inside of it: the statistics of what it writes, taken while it is written, and
// the normalisation and ReLU of what it reads, done while it is read. A net whose blocks pass their maps on like this
// neither reads them once more for statistics nor writes them once more normalised. Letters as in conv2d.h; the filter
// is called so here, since weight is batch norm's.
#pragma once

#include "core/ops/batch_norm.h"
#include "core/ops/conv2d.h"

namespace weft {

// A convolution's y with batch_statistics(y): what the batch norm behind it takes as `known`. They have no history, and
// are undefined where nobody asked for them or y is empty. Candidates that take them from one-pass sums lose digits of
// the variance where |mean| >> deviation.
struct Convolved {
  Tensor y;
  BatchStatistics statistics = {};
};

// conv2d(x, filter) without bias, and the statistics of y. `out` as in conv2d.
WEFT_API Convolved conv2d_with_statistics(const Tensor& x, const Tensor& filter, Conv2dOptions options = {},
                                          const Tensor& out = {});

// The arguments of a batch_norm_relu but for its x.
struct BatchNormRelu {
  Tensor weight, bias;
  RunningStatistics running;
  BatchNormOptions options;
  BatchStatistics known = {};
};

// conv2d(batch_norm_relu(x, norm…), filter) without bias: the same value, gradients and move of the running statistics.
// Padding is of the normalised map, thus zeros. x is cast as conv2d casts it and keeps its memory format. Kept for
// backward: x, the statistics and the filter, never the normalised map.
WEFT_API Convolved normalized_conv2d(const Tensor& x, const BatchNormRelu& norm, const Tensor& filter,
                                     Conv2dOptions options = {}, bool statistics = false, const Tensor& out = {});

// max((x - mean) / sqrt(variance + eps) * weight + bias, 0) per channel of some x, not computed yet. All (C,) in the
// compute type of x; weight and bias may be undefined.
struct Normalization {
  Tensor mean, variance, weight, bias;
  double eps;
};

// In all slots images are contiguous or channels-last (of any pixel pitch), all of a call alike; the filter and its
// gradient are dense and contiguous. mean and variance (biased) of y: (K,), dense, in the compute type; y is not empty
// where they are wanted.

// y = conv2d(x, filter), with its mean and variance.
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& filter, Conv2dOptions options, const Tensor& y,
                                const Tensor& mean, const Tensor& variance)>
    conv2d_statistics_forward;
// y = conv2d(norm of x, filter); mean and variance of y unless undefined.
extern WEFT_API KernelSlot<void(const Tensor& x, const Normalization& norm, const Tensor& filter, Conv2dOptions options,
                                const Tensor& y, const Tensor& mean, const Tensor& variance)>
    normalized_conv2d_forward;
// With dh the data gradient of conv2d: dz = dh where the norm of x is positive, else 0; dbias = sum of dz;
// dweight = sum of dz * (x - mean) / sqrt(variance + eps). What is left of dx is batch_norm_backward_data of dz.
extern WEFT_API KernelSlot<void(const Tensor& x, const Normalization& norm, const Tensor& dy, const Tensor& filter,
                                Conv2dOptions options, const Tensor& dz, const Tensor& dweight, const Tensor& dbias)>
    normalized_conv2d_backward_data;
// The filter's gradient: that of conv2d(norm of x, filter).
extern WEFT_API KernelSlot<void(const Tensor& x, const Normalization& norm, const Tensor& dy, Conv2dOptions options,
                                const Tensor& dfilter)>
    normalized_conv2d_backward_weight;

}  // namespace weft
