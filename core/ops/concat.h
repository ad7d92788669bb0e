// Concatenation: tensors joined along one axis. Copies each of them once; the gradient hands out slices of dy without
// copying.
#pragma once

#include "core/tensor.h"

namespace weft {

// y = the xs one behind the other along the axis (negative: from the end). All share dtype, device and the sizes of
// the other axes. y is channels-last when the first x is, else contiguous. Any dtype.
WEFT_API Tensor concat(const Tensors& xs, int axis);

// The shape of y; throws what concat would throw.
WEFT_API Shape concat_shape(const Tensors& xs, int axis);

}  // namespace weft
