// The second half of sums that many blocks share, and the sums that bias gradients are. Both are taken in f64 and in an
// order that depends on shapes only.
#pragma once

#include "core/tensor.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

// y = bias + the sum of partial over its first axis, in rising order. partial is dense, f32 (f64 for a y of f64) or
// f64, with y.elements() elements per part; bias, if defined, belongs to the last axis of y, which is dense.
void add_parts(const Tensor& partial, const Tensor& bias, const Tensor& y);

// sums (C) = the sums of x (M, C) over its rows, of x (N, C, H, W) over images and pixels. A matrix has any strides, an
// image is contiguous or channels-last.
void channel_sums(const Tensor& x, const Tensor& sums);

}  // namespace weft::cuda::WEFT_CUDA_BUILD
