// Pooling over the windows of images: max, average, and the average over the whole image. Outputs keep the memory
// format of x (a strided x is made contiguous first).
#pragma once

#include "core/kernel_slot.h"
#include "core/ops/pair.h"

namespace weft {

struct Pool2dOptions {
  Pair kernel = 2;
  Pair stride = 0;                // 0: as the kernel
  Pair padding = 0;               // at most half the kernel
  bool count_include_pad = true;  // average: divide by the window's size even where it hangs over the border
};

// x (N, C, H, W) -> y (N, C, P, Q), P = floor((H + 2*padding - kernel) / stride) + 1. Any floating dtype.
// max: the border never wins; a NaN in the window does; the gradient goes to the first of equal largest elements.
WEFT_API Tensor max_pool2d(const Tensor& x, Pool2dOptions options);
WEFT_API Tensor avg_pool2d(const Tensor& x, Pool2dOptions options);
// y (N, C, 1, 1): the mean over H and W.
WEFT_API Tensor global_avg_pool2d(const Tensor& x);

// The shape of y; throws what the ops would throw, naming op. Puts the stride in when it is 0.
WEFT_API Shape pool2d_shape(const Shape& x, Pool2dOptions& options, std::string_view op);

// In all slots images are contiguous or channels-last, x and y alike; the stride is not 0. index (i32, dense, shaped
// and laid out as y) holds the position h * W + w of each largest element; undefined when no gradient is wanted.
extern WEFT_API KernelSlot<void(const Tensor& x, Pool2dOptions options, const Tensor& y, const Tensor& index)>
    max_pool2d_forward;
extern WEFT_API KernelSlot<void(const Tensor& dy, const Tensor& index, Pool2dOptions options, const Tensor& dx)>
    max_pool2d_backward;
extern WEFT_API KernelSlot<void(const Tensor& x, Pool2dOptions options, const Tensor& y)> avg_pool2d_forward;
extern WEFT_API KernelSlot<void(const Tensor& dy, Pool2dOptions options, const Tensor& dx)> avg_pool2d_backward;

}  // namespace weft
