// Reductions over any axes. Sums of f16, bf16 and f32 are taken in blocks of f32 added up in f64, with a partition that
// depends on the shape only: the same bits at any number of threads. Integers sum in i64 and keep their dtype.
// An empty sum is 0, an empty mean NaN, an empty maximum or minimum an error.
#pragma once

#include <initializer_list>

#include "core/autograd.h"
#include "core/kernel_slot.h"
#include "core/tensor.h"

namespace weft {

// The axes a reduction runs over: none given means all; negative ones count from the end.
struct Axes {
  int values[kMaxRank] = {};
  int count = 0;
  Axes() = default;
  Axes(int axis) : values{axis}, count(1) {}  // NOLINT(google-explicit-constructor): sum(x, 0)
  Axes(std::initializer_list<int> axes) : Axes(std::span(axes.begin(), axes.size())) {}  // sum(x, {0, 2})
  WEFT_API explicit Axes(std::span<const int> axes);
};

// The reduced axes disappear, or stay with size 1 when keep is true.
WEFT_API Tensor sum(const Tensor& x, Axes axes = {}, bool keep = false);
WEFT_API Tensor mean(const Tensor& x, Axes axes = {}, bool keep = false);
// NaN when one is among the values. The gradient is shared evenly by all elements equal to the result.
WEFT_API Tensor max(const Tensor& x, Axes axes = {}, bool keep = false);
WEFT_API Tensor min(const Tensor& x, Axes axes = {}, bool keep = false);
// sum((x - mean)^2) / (n - correction), in two passes: one-pass variance loses digits when |mean| >> deviation.
WEFT_API Tensor var(const Tensor& x, Axes axes = {}, bool keep = false, int correction = 1);
// (sum |x|^p)^(1/p), p > 0; p = infinity is the largest |x|. The gradient at a zero norm is 0.
WEFT_API Tensor norm(const Tensor& x, Axes axes = {}, bool keep = false, double p = 2);
// Index (i64) of the largest value along an axis; the first of equals; a NaN counts as the largest.
WEFT_API Tensor argmax(const Tensor& x, int axis, bool keep = false);
// Sums x down to a shape that broadcasts to x's: the gradient of that broadcast. x itself when nothing is to do.
WEFT_API Tensor sum_to(const Tensor& x, const Shape& shape);

enum class Fold : std::uint8_t { sum, absolute_sum, max, min, root_square_sum, count };

// y = scale * reduction of x over the axes where y has size 1 and x has not (root_square_sum: the root of scale * the
// sum of squares); y has x's rank. scale is 1 for integers.
extern WEFT_API KernelSlot<void(Fold f, double scale, const Tensor& x, const Tensor& y)> reduce_forward;
// y (i64) = index of the largest along the axis; y has x's rank and size 1 there.
extern WEFT_API KernelSlot<void(int axis, const Tensor& x, const Tensor& y)> argmax_forward;

}  // namespace weft
