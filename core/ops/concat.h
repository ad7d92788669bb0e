// Concatenation: tensors joined along one axis. Copies each of them once, unless they lie side by side already; the
// gradient hands out slices of dy without copying.
//
// Note [Concat in place]: an op that takes `out` writes its result into memory it is given: a slice of the channels of
// a wider channels-last image. What was written into neighbouring slices is then joined without a copy:
//   const Tensor image = empty({n, 96, h, w}, {x.dtype(), x.device(), MemoryFormat::channels_last});
//   const Tensor a = conv2d(x, wa, ba, {}, image.slice(1, 0, 64));
//   const Tensor b = max_pool2d(x, {.kernel = 3, .stride = 1, .padding = 1}, image.slice(1, 64, 96));
//   const Tensor y = concat({a, b}, 1);  // the image itself
// A part that was written elsewhere makes concat copy them all, so `out` is never needed. Devices gain by it; on the
// CPU oneDNN and the direct convolutions want dense images, and copying is faster: concat_in_place() says which.
#pragma once

#include "core/tensor.h"

namespace weft {

// y = the xs one behind the other along the axis (negative: from the end). All share dtype, device and the sizes of
// the other axes. y is channels-last when the first x is, else contiguous. Any dtype. Channels-last parts whose
// channels follow each other in one buffer become a view of it: dense, or a slice of it where it has more channels.
WEFT_API Tensor concat(const Tensors& xs, int axis);

// Whether writing into slices beats copying on that device.
inline bool concat_in_place(Device device) { return device.kind != DeviceKind::cpu; }

// For ops that take `out`: a fresh tensor, or a handle without history on `out`, which must have that shape, dtype and
// device and be channels-last (of any pitch) where x is.
WEFT_API Tensor output_tensor(const char* op, const Shape& shape, const Tensor& x, const Tensor& out);

// The shape of y; throws what concat would throw.
WEFT_API Shape concat_shape(const Tensors& xs, int axis);

}  // namespace weft
