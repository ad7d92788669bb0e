// Local response normalisation: each pixel's channels divided by a power of the mean square of their neighbours
// (Krizhevsky, Sutskever, Hinton, NIPS 2012, section 3.3).
#pragma once

#include "core/kernel_slot.h"

namespace weft {

struct LocalResponseNormOptions {
  int size = 5;  // channels of a window: c - size / 2 … c + (size - 1) / 2, those that there are
  double alpha = 1e-4, beta = 0.75, k = 1;
};

// y = x * s^-beta, s = k + alpha / size * the sum of x^2 over the window: PyTorch's meaning, in which alpha is divided
// by size. x (N, C, H, W), any floating dtype, computed in f32 (f64); y keeps the memory format (a strided x is made
// contiguous first). k must be positive, alpha and beta not negative.
WEFT_API Tensor local_response_norm(const Tensor& x, LocalResponseNormOptions options = {});

// In both slots images are contiguous or channels-last (of any pitch), all alike.
extern WEFT_API KernelSlot<void(const Tensor& x, LocalResponseNormOptions options, const Tensor& y)>
    local_response_norm_forward;
// dx = dy * s^-beta - 2 * alpha * beta / size * x * the sum of dy * x * s^(-beta - 1) over the channels whose window
// holds the channel.
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& dy, LocalResponseNormOptions options, const Tensor& dx)>
    local_response_norm_backward;

}  // namespace weft
