// Elementwise arithmetic, activations, comparisons and selection, with NumPy's broadcasting. Operands must share dtype
// and device. Memory format: kept; a channels-last operand of the result's shape makes the result channels-last, other
// strided views give a contiguous result. 16-bit floats are computed in f32. Integers have add, sub, mul, neg, abs,
// square, relu, clamp, maximum, minimum and the comparisons; what needs fractions refuses them.
#pragma once

#include "core/autograd.h"
#include "core/kernel_slot.h"
#include "core/tensor.h"

namespace weft {

// The functions of one tensor; a and b below are the call's Scalars. kernels/functors.h has value and derivative.
enum class Unary : std::uint8_t {
  neg,
  abs,
  exp,
  log,
  sqrt,
  square,
  sigmoid,
  tanh,
  relu,
  leaky_relu,      // x > 0 ? x : a * x
  elu,             // x > 0 ? x : a * (exp(x) - 1)
  gelu,            // x * Phi(x), Phi the normal distribution's
  gelu_tanh,       // the same with Phi(x) = (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2
  silu,            // x * sigmoid(x)
  softplus,        // a * x > b ? x : log(1 + exp(a * x)) / a
  hardswish,       // x * min(max(x + 3, 0), 6) / 6
  clamp,           // min(max(x, a), b)
  add_scalar,      // x + a
  scalar_sub,      // a - x
  mul_scalar,      // x * a
  div_scalar,      // x / a
  scalar_div,      // a / x
  pow_scalar,      // x ^ a
  scalar_pow,      // a ^ x
  maximum_scalar,  // max(x, a)
  minimum_scalar,  // min(x, a)
  count
};
// The functions of two tensors; add_scaled is x + a * y, add_relu is max(x + y, 0).
enum class Binary : std::uint8_t { add, sub, mul, div, pow, maximum, minimum, add_scaled, add_relu, count };
enum class Comparison : std::uint8_t { equal, not_equal, less, less_equal, greater, greater_equal, count };
enum class Side : std::uint8_t { left, right };

// The numbers of a call that are the same for every element.
struct Scalars {
  double a = 0, b = 0;
};

// a + b, a - b, a * b, a / b. d/da and d/db are summed over the axes that were broadcast.
WEFT_API Tensor add(const Tensor& a, const Tensor& b);
WEFT_API Tensor add(const Tensor& a, double b);
WEFT_API Tensor sub(const Tensor& a, const Tensor& b);
WEFT_API Tensor sub(const Tensor& a, double b);
WEFT_API Tensor sub(double a, const Tensor& b);
WEFT_API Tensor mul(const Tensor& a, const Tensor& b);
WEFT_API Tensor mul(const Tensor& a, double b);
WEFT_API Tensor div(const Tensor& a, const Tensor& b);
WEFT_API Tensor div(const Tensor& a, double b);
WEFT_API Tensor div(double a, const Tensor& b);
// a ^ b as C's pow. At a = 0 the gradient to b is 0 (where b >= 0); at b = 0 the gradient to a is 0.
WEFT_API Tensor pow(const Tensor& a, const Tensor& b);
WEFT_API Tensor pow(const Tensor& a, double b);
WEFT_API Tensor pow(double a, const Tensor& b);
// The larger (smaller) one; NaN when either is. Where both are equal each gets half of the gradient.
WEFT_API Tensor maximum(const Tensor& a, const Tensor& b);
WEFT_API Tensor maximum(const Tensor& a, double b);
WEFT_API Tensor minimum(const Tensor& a, const Tensor& b);
WEFT_API Tensor minimum(const Tensor& a, double b);

// relu(a + b) in one pass: the end of a residual block. Backward takes the mask from y and keeps nothing else.
WEFT_API Tensor add_relu(const Tensor& a, const Tensor& b);

WEFT_API Tensor neg(const Tensor& x);
WEFT_API Tensor abs(const Tensor& x);  // derivative at 0: 0
WEFT_API Tensor exp(const Tensor& x);
WEFT_API Tensor log(const Tensor& x);  // natural; -inf at 0, NaN below
WEFT_API Tensor sqrt(const Tensor& x);
WEFT_API Tensor square(const Tensor& x);
WEFT_API Tensor sigmoid(const Tensor& x);  // 1 / (1 + exp(-x))
WEFT_API Tensor tanh(const Tensor& x);
WEFT_API Tensor relu(const Tensor& x);                             // max(x, 0); derivative at 0: 0; NaN stays
WEFT_API Tensor leaky_relu(const Tensor& x, double slope = 0.01);  // Maas, Hannun, Ng, ICML 2013
WEFT_API Tensor elu(const Tensor& x, double alpha = 1);            // Clevert, Unterthiner, Hochreiter, ICLR 2016
// x * Phi(x) with Phi the normal distribution's, or its approximation by tanh (Hendrycks, Gimpel, 2016).
enum class Gelu : std::uint8_t { erf, tanh };
WEFT_API Tensor gelu(const Tensor& x, Gelu form = Gelu::erf);
WEFT_API Tensor silu(const Tensor& x);  // x * sigmoid(x)
// log(1 + exp(beta * x)) / beta; x itself where beta * x > threshold. beta must not be 0.
WEFT_API Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20);
WEFT_API Tensor hardswish(const Tensor& x);  // x * min(max(x + 3, 0), 6) / 6 (Howard and others, ICCV 2019)
// min(max(x, low), high); the gradient passes where low <= x <= high. NaN stays.
WEFT_API Tensor clamp(const Tensor& x, double low, double high);

// Elementwise comparison -> boolean; NaN is unequal to everything.
WEFT_API Tensor equal(const Tensor& a, const Tensor& b);
WEFT_API Tensor equal(const Tensor& a, double b);
WEFT_API Tensor not_equal(const Tensor& a, const Tensor& b);
WEFT_API Tensor not_equal(const Tensor& a, double b);
WEFT_API Tensor less(const Tensor& a, const Tensor& b);
WEFT_API Tensor less(const Tensor& a, double b);
WEFT_API Tensor less_equal(const Tensor& a, const Tensor& b);
WEFT_API Tensor less_equal(const Tensor& a, double b);
WEFT_API Tensor greater(const Tensor& a, const Tensor& b);
WEFT_API Tensor greater(const Tensor& a, double b);
WEFT_API Tensor greater_equal(const Tensor& a, const Tensor& b);
WEFT_API Tensor greater_equal(const Tensor& a, double b);
// condition ? a : b; condition is boolean, all three broadcast.
WEFT_API Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);

// In place; x broadcasts to y's shape. Refused where y is a leaf that wants a gradient, or a view inside a graph.
WEFT_API const Tensor& add_(const Tensor& y, const Tensor& x, double scale = 1);  // y += scale * x
WEFT_API const Tensor& mul_(const Tensor& y, const Tensor& x);
WEFT_API const Tensor& mul_(const Tensor& y, double x);
WEFT_API const Tensor& relu_(const Tensor& x);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator+(const Tensor& a, double b) { return add(a, b); }
inline Tensor operator+(double a, const Tensor& b) { return add(b, a); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator-(const Tensor& a, double b) { return sub(a, b); }
inline Tensor operator-(double a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator*(const Tensor& a, double b) { return mul(a, b); }
inline Tensor operator*(double a, const Tensor& b) { return mul(b, a); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator/(const Tensor& a, double b) { return div(a, b); }
inline Tensor operator/(double a, const Tensor& b) { return div(a, b); }
inline Tensor operator-(const Tensor& x) { return neg(x); }

// In all slots: any strides; inputs broadcast to the output's shape; an output may be one of its inputs (exactly).
// y = f(x).
extern WEFT_API KernelSlot<void(Unary f, Scalars scalars, const Tensor& x, const Tensor& y)> unary_forward;
// dx = f'(x) * dy. `saved` is y for exp, sqrt, sigmoid, tanh, relu, elu, scalar_pow, else x.
extern WEFT_API KernelSlot<void(Unary f, Scalars scalars, const Tensor& saved, const Tensor& dy, const Tensor& dx)>
    unary_backward;
// y = f(a, b).
extern WEFT_API KernelSlot<void(Binary f, Scalars scalars, const Tensor& a, const Tensor& b, const Tensor& y)>
    binary_forward;
// dx = df/da * dy (Side::left) or df/db * dy (Side::right), before any sum over broadcast axes.
extern WEFT_API
    KernelSlot<void(Binary f, Side side, const Tensor& a, const Tensor& b, const Tensor& dy, const Tensor& dx)>
        binary_backward;
// y = a <op> b, boolean.
extern WEFT_API KernelSlot<void(Comparison f, const Tensor& a, const Tensor& b, const Tensor& y)> compare_forward;
// y = condition ? a : b.
extern WEFT_API KernelSlot<void(const Tensor& condition, const Tensor& a, const Tensor& b, const Tensor& y)>
    where_forward;

}  // namespace weft
