// Batch normalisation inside a convolution, by its parts: the normalised map is written to scratch memory and the plain
// slots do the rest. Nothing of it depends on the device, so all kinds of devices have this candidate; it reads and
// writes a map more than a kernel that does all of it at once.
#include "core/ops/normalized_conv2d.h"

namespace weft {
namespace {

Tensor normalized(const Tensor& x, const Normalization& norm) {
  const Tensor h = empty_like(x);
  batch_norm_forward(x, norm.mean, norm.variance, norm.weight, norm.bias, {}, norm.eps, true, h);
  return h;
}

void statistics(const Tensor& y, const Tensor& mean, const Tensor& variance) {
  batch_norm_statistics(y, {}, mean, variance, {}, {}, {});
}

void forward_statistics(const Tensor& x, const Tensor& filter, Conv2dOptions options, const Tensor& y,
                        const Tensor& mean, const Tensor& variance) {
  conv2d_forward(x, filter, {}, options, y);
  statistics(y, mean, variance);
}

void forward(const Tensor& x, const Normalization& norm, const Tensor& filter, Conv2dOptions options, const Tensor& y,
             const Tensor& mean, const Tensor& variance) {
  conv2d_forward(normalized(x, norm), filter, {}, options, y);
  if (mean.defined()) statistics(y, mean, variance);
}

void backward_data(const Tensor& x, const Normalization& norm, const Tensor& dy, const Tensor& filter,
                   Conv2dOptions options, const Tensor& dz, const Tensor& dweight, const Tensor& dbias) {
  const Tensor dh = empty_like(x);
  conv2d_backward_data(dy, filter, options, dh);
  batch_norm_backward_sums(x, normalized(x, norm), dh, norm.mean, norm.variance, norm.eps, dweight, dbias, dz);
}

void backward_weight(const Tensor& x, const Normalization& norm, const Tensor& dy, Conv2dOptions options,
                     const Tensor& dfilter) {
  conv2d_backward_weight(normalized(x, norm), dy, options, dfilter, {});
}

constexpr const char* kName = "plain.parts";
constexpr int kRank = 200;  // behind every kernel that does it at once

[[maybe_unused]] const bool registered = [] {
  for (const DeviceKind kind : {DeviceKind::cpu, DeviceKind::cuda, DeviceKind::emulated}) {
    conv2d_statistics_forward.add({.device = kind, .name = kName, .rank = kRank, .run = forward_statistics});
    normalized_conv2d_forward.add({.device = kind, .name = kName, .rank = kRank, .run = forward});
    normalized_conv2d_backward_data.add({.device = kind, .name = kName, .rank = kRank, .run = backward_data});
    normalized_conv2d_backward_weight.add({.device = kind, .name = kName, .rank = kRank, .run = backward_weight});
  }
  return true;
}();

}  // namespace
}  // namespace weft
