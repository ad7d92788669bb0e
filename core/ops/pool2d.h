// Pooling over the windows of images: max, average, and averages over bins that fit any image to a given size. Outputs
// keep the memory format of x (a strided x is made contiguous first).
#pragma once

#include "core/kernel_slot.h"
#include "core/ops/pair.h"

namespace weft {

struct Pool2dOptions {
  Pair kernel = 2;
  Pair stride = 0;                // 0: as the kernel
  Pair padding = 0;               // at most half the kernel
  bool count_include_pad = true;  // average: divide by the window's size even where it hangs over the border
  bool ceil_mode = false;         // a last window may hang over the right and lower padding
};

// x (N, C, H, W) -> y (N, C, P, Q), P = floor((H + 2*padding - kernel) / stride) + 1. Any floating dtype. With
// ceil_mode the quotient is rounded up, but every window starts inside the image or its upper or left padding, and an
// average with count_include_pad counts padding, not what lies beyond (PyTorch's rules). max: the border never wins; a
// NaN in the window does; the gradient goes to the first of equal largest elements.
// y is written to `out` where that is defined: Note [Concat in place] in concat.h.
WEFT_API Tensor max_pool2d(const Tensor& x, Pool2dOptions options, const Tensor& out = {});
WEFT_API Tensor avg_pool2d(const Tensor& x, Pool2dOptions options, const Tensor& out = {});
// y (N, C, 1, 1): the mean over H and W.
WEFT_API Tensor global_avg_pool2d(const Tensor& x);
// y (N, C, out.h, out.w): the mean over bins, of which number i of n along an axis of size s is
// [floor(i * s / n), ceil((i + 1) * s / n)). Bins overlap where n does not divide s.
WEFT_API Tensor adaptive_avg_pool2d(const Tensor& x, Pair out);

// The shape of y; throws what the ops would throw, naming op. Puts the stride in when it is 0.
WEFT_API Shape pool2d_shape(const Shape& x, Pool2dOptions& options, std::string_view op);
// What max_pool2d_forward writes its index in: u8 where the places of a window are at most 255, else i32.
WEFT_API DType pool2d_index_dtype(const Pool2dOptions& options);

// In all slots images are contiguous or channels-last (of any pixel pitch), x and y alike; the stride is not 0. index
// (dense, shaped and laid out as y) holds the place r * kernel.w + s of each largest element within its window;
// undefined when no gradient is wanted.
extern WEFT_API KernelSlot<void(const Tensor& x, Pool2dOptions options, const Tensor& y, const Tensor& index)>
    max_pool2d_forward;
extern WEFT_API KernelSlot<void(const Tensor& dy, const Tensor& index, Pool2dOptions options, const Tensor& dx)>
    max_pool2d_backward;
extern WEFT_API KernelSlot<void(const Tensor& x, Pool2dOptions options, const Tensor& y)> avg_pool2d_forward;
extern WEFT_API KernelSlot<void(const Tensor& dy, Pool2dOptions options, const Tensor& dx)> avg_pool2d_backward;
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& y)> adaptive_avg_pool2d_forward;
extern WEFT_API KernelSlot<void(const Tensor& dy, const Tensor& dx)> adaptive_avg_pool2d_backward;

}  // namespace weft
