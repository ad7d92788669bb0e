// Matrix products: matmul for matrices and batches of matrices, linear for the affine map of a layer. Operands are
// read through their strides, so a transposed or sliced view costs no copy; results are dense and row-major.
#pragma once

#include "core/kernel_slot.h"

namespace weft {

// y = a b: a (…, M, K), b (…, K, N) -> y (…, M, N); the batch axes in front broadcast as NumPy's do. Any floating
// dtype, the same for both; 16-bit floats are summed in f32.
WEFT_API Tensor matmul(const Tensor& a, const Tensor& b);

// y = x weight^T + bias: x (…, in), weight (out, in), bias (out) or undefined -> y (…, out). Any floating dtype.
WEFT_API Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

// max(linear(…), 0) in one pass where the backend can; a NaN stays; the gradient's mask is read from y.
WEFT_API Tensor linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

// gelu(linear(…), Gelu::tanh), its terms summed in one pass where the backend can. Keeps the argument of GELU for the
// gradient, nothing where none is wanted.
WEFT_API Tensor linear_gelu(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

// a (batch…, M, K), b (batch…, K, N), y (batch…, M, N) dense; a and b have any strides, 0 included.
extern WEFT_API KernelSlot<void(const Tensor& a, const Tensor& b, const Tensor& y)> matmul_forward;

// x (M, in) and weight (out, in) with any strides, bias (out) dense or undefined, y (M, out) dense.
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y)>
    linear_forward;
// y = max(what linear_forward would write, 0); a NaN stays.
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y)>
    linear_relu_forward;
// z = what linear_forward would write, y = z Phi(z) with Gelu::tanh's Phi; z (M, out) dense, or undefined where nobody
// wants it.
extern WEFT_API
    KernelSlot<void(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& z, const Tensor& y)>
        linear_gelu_forward;
// dw = dy^T x and dbias = the column sums of dy; either may be undefined. x (M, in) and dy (M, out) with any strides,
// dw (out, in) and dbias (out) dense.
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& dy, const Tensor& dw, const Tensor& dbias)>
    linear_backward_weight;

}  // namespace weft
