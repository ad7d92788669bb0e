// Convolution over images (cross-correlation, as all frameworks call it), with stride, zero padding, dilation and
// groups. Letters: x (N, C, H, W), weight (K, C/groups, R, S), y (N, K, P, Q).
#pragma once

#include "core/kernel_slot.h"
#include "core/ops/pair.h"

namespace weft {

struct Conv2dOptions {
  Pair stride = 1;
  Pair padding = 0;   // zeros added on both sides
  Pair dilation = 1;  // distance between the taps of the filter
  int groups = 1;     // output channel k sees input channels of group k / (K / groups) only
};

// y[n,k,p,q] = bias[k] + sum over c, r, s of x[n, c, p*stride - padding + r*dilation, …] * weight[k,c,r,s];
// P = floor((H + 2*padding - dilation*(R - 1) - 1) / stride) + 1. bias (K) or undefined. Any floating dtype, the same
// for all; 16-bit floats are summed in f32. y keeps the memory format of x (a strided x is made contiguous first) and
// is written to `out` where that is defined: Note [Concat in place] in concat.h.
WEFT_API Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, Conv2dOptions options = {},
                       const Tensor& out = {});

// max(conv2d(…), 0) in one pass where the backend can; a NaN stays, as in relu. The gradient's mask is read from y, so
// no input of the ReLU is kept. bias may be undefined.
WEFT_API Tensor conv2d_bias_relu(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions options = {},
                                 const Tensor& out = {});

// The shape of y; throws what conv2d would throw.
WEFT_API Shape conv2d_shape(const Shape& x, const Shape& weight, const Conv2dOptions& options);

// One multiply-accumulate per tap and output; the bytes of images and filter.
WEFT_API Cost convolution_cost(const Tensor& x, const Tensor& weight, const Tensor& y);

// In all slots images are contiguous or channels-last (of any pixel pitch), x and y alike; weight and dw are dense and
// contiguous; bias and dbias may be undefined.
extern WEFT_API
    KernelSlot<void(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions options, const Tensor& y)>
        conv2d_forward;
// y = max(what conv2d_forward would write, 0); a NaN stays.
extern WEFT_API
    KernelSlot<void(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions options, const Tensor& y)>
        conv2d_bias_relu_forward;
extern WEFT_API KernelSlot<void(const Tensor& dy, const Tensor& weight, Conv2dOptions options, const Tensor& dx)>
    conv2d_backward_data;
// dw and dbias (the sum of dy over N, P and Q).
extern WEFT_API
    KernelSlot<void(const Tensor& x, const Tensor& dy, Conv2dOptions options, const Tensor& dw, const Tensor& dbias)>
        conv2d_backward_weight;

}  // namespace weft
