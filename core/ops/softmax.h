// Softmax and its logarithm over one axis, computed against the row's maximum so that no logit overflows.
#pragma once

#include "core/kernel_slot.h"

namespace weft {

// y = exp(x) / sum(exp(x)) along the axis. Any floating dtype, statistics in f32 (f64 for f64). The axis is brought
// to the end first, which copies when it is another one.
WEFT_API Tensor softmax(const Tensor& x, int axis = -1);
// y = x - log(sum(exp(x))) along the axis.
WEFT_API Tensor log_softmax(const Tensor& x, int axis = -1);

// All over the last axis of dense contiguous tensors of one shape.
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& y)> softmax_forward;
// dx = y * (dy - sum(y * dy)).
extern WEFT_API KernelSlot<void(const Tensor& y, const Tensor& dy, const Tensor& dx)> softmax_backward;
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& y)> log_softmax_forward;
// dx = dy - exp(y) * sum(dy).
extern WEFT_API KernelSlot<void(const Tensor& y, const Tensor& dy, const Tensor& dx)> log_softmax_backward;

}  // namespace weft
