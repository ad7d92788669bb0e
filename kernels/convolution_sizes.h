// The sizes of one convolution, for the kernels of every backend: a plain value that can be a kernel argument. What a
// kernel adds to them (pitches, blocks, panels) is its own.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/ops/conv2d.h"
#include "core/random.h"

namespace weft {

// x (N, C, H, W), weight (K, C/groups, R, S), y (N, K, P, Q).
struct ConvolutionSizes {
  std::int64_t n, c, h, w, k, r, s, p, q;
  std::int64_t group_c, group_k;  // channels per group
  Pair stride, padding, dilation;
  int groups;

  WEFT_HOST_DEVICE std::int64_t taps() const { return r * s * group_c; }  // multiply-accumulates per element of y
  WEFT_HOST_DEVICE bool padded() const { return padding.h != 0 || padding.w != 0; }
  // Whether an output pixel sees one input pixel, the one at its own place.
  WEFT_HOST_DEVICE bool pointwise() const { return r == 1 && s == 1 && stride.h == 1 && stride.w == 1 && !padded(); }
};
static_assert(std::is_trivially_copyable_v<ConvolutionSizes>);

// Throws what conv2d would throw.
inline ConvolutionSizes convolution_sizes(const Shape& x, const Shape& weight, const Conv2dOptions& o) {
  const Shape y = conv2d_shape(x, weight, o);
  return {.n = x[0],
          .c = x[1],
          .h = x[2],
          .w = x[3],
          .k = weight[0],
          .r = weight[2],
          .s = weight[3],
          .p = y[2],
          .q = y[3],
          .group_c = weight[1],
          .group_k = weight[0] / o.groups,
          .stride = o.stride,
          .padding = o.padding,
          .dilation = o.dilation,
          .groups = o.groups};
}

}  // namespace weft
