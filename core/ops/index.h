// Joining, splitting and picking. Index tensors hold i32, i64 or u8; an index outside its axis is an error naming the
// index and its position. Gradients of picked elements are added where one element was picked twice.
#pragma once

#include <span>

#include "core/kernel_slot.h"
#include "core/tensor.h"

namespace weft {

// The tensors one after another along an axis; all other sizes and the dtypes agree. Channels-last when all are.
WEFT_API Tensor concat(std::span<const Tensor> tensors, int axis);
inline Tensor concat(std::initializer_list<Tensor> tensors, int axis) {
  return concat(std::span(tensors.begin(), tensors.size()), axis);
}
// Views of x of those sizes along an axis; the sizes add up to the axis.
WEFT_API Tensors split(const Tensor& x, std::span<const std::int64_t> sizes, int axis);
inline Tensors split(const Tensor& x, std::initializer_list<std::int64_t> sizes, int axis) {
  return split(x, std::span(sizes.begin(), sizes.size()), axis);
}
// y (index's shape, classes): 1 where the last coordinate is the index, else 0.
WEFT_API Tensor one_hot(const Tensor& index, std::int64_t classes, DType dtype = DType::f32);
// y[i, j, …] = x[index[i, j, …], j, …] for axis 0, likewise for others. index has x's rank, and at most x's sizes along
// the other axes.
WEFT_API Tensor gather(const Tensor& x, int axis, const Tensor& index);
// The slices of x that index (m,) names along an axis: rows of a table, samples of a batch.
WEFT_API Tensor index_select(const Tensor& x, int axis, const Tensor& index);

// All indices are i64 and contiguous below; x and y contiguous.
// y (…, classes) = one-hot rows.
extern WEFT_API KernelSlot<void(const Tensor& index, const Tensor& y)> one_hot_forward;
// y (index's shape) as gather says.
extern WEFT_API KernelSlot<void(int axis, const Tensor& x, const Tensor& index, const Tensor& y)> gather_forward;
// dx, filled with zeros before, += dy at the picked elements, in row-major order of dy; f32 or f64.
extern WEFT_API KernelSlot<void(int axis, const Tensor& index, const Tensor& dy, const Tensor& dx)> gather_backward;
extern WEFT_API KernelSlot<void(int axis, const Tensor& x, const Tensor& index, const Tensor& y)> index_select_forward;
// dx, filled with zeros before, += the slices of dy, in the order of the index; f32 or f64.
extern WEFT_API KernelSlot<void(int axis, const Tensor& index, const Tensor& dy, const Tensor& dx)>
    index_select_backward;

}  // namespace weft
