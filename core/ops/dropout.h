// Dropout (Srivastava et al., JMLR 15, 2014): sets elements to 0 with probability p and scales the others by 1 / (1 -
// p). What is dropped follows from the random stream and each element's row-major index, so no mask is stored: backward
// draws it again. Any floating dtype; the memory format is kept.
#pragma once

#include "core/kernel_slot.h"
#include "core/random.h"
#include "core/tensor.h"

namespace weft {

// p = 0 gives x itself, p = 1 zeros. For training; at inference dropout is the identity and is not called.
WEFT_API Tensor dropout(const Tensor& x, double p, RandomStream stream);

// y = u < p ? 0 : x / (1 - p), u uniform at the element's row-major index; any layouts, one shape, 0 < p < 1.
extern WEFT_API KernelSlot<void(double p, RandomStream stream, const Tensor& x, const Tensor& y)> dropout_forward;

}  // namespace weft
