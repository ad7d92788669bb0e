// Copying between dtypes, layouts and devices, and filling. The only ops that change where or how elements are kept;
// none of them changes a value beyond rounding to the target's dtype.
#pragma once

#include "core/kernel_slot.h"

namespace weft {

// y = x, elementwise, in place. Same shape; dtype, layout and device may differ. Floats round to nearest even; to an
// integer they truncate toward zero and saturate (nan gives 0); to boolean: x != 0. Differentiable in x.
WEFT_API void copy_(const Tensor& y, const Tensor& x);
// y = value, in place. The gradient of what y held before is zero.
WEFT_API void fill_(const Tensor& y, double value);

// y = x on one device: same shape; any dtypes; any layouts of non-overlapping elements of y, any of x (strides may
// be 0).
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& y)> copy_forward;
// y = value, any dtype, any layout.
extern WEFT_API KernelSlot<void(double value, const Tensor& y)> fill_forward;

}  // namespace weft
