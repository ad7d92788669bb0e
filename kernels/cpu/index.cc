// Picking by index. Memory-bound: whole slices are copied; gradients are added by one thread per outer slice, in the
// order of the index, so that repeated indices add up the same way every time.
#include "core/ops/index.h"

#include <algorithm>
#include <cstring>

#include "core/ops/copy.h"
#include "core/parallel.h"
#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

// A contiguous tensor seen as (outer, axis, inner).
struct View3 {
  std::int64_t outer = 1, size, inner = 1;
  View3(const Shape& shape, int axis) : size(shape[axis]) {
    for (int i = 0; i < axis; ++i) outer *= shape[i];
    for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  }
};

void check_range(const char* op, const Tensor& index, std::int64_t size) {
  const std::int64_t* values = index.data<std::int64_t>();
  for (std::int64_t i = 0; i < index.elements(); ++i)
    require(values[i] >= 0 && values[i] < size, op, "index ", values[i], " at position ", i, " is outside [0, ", size,
            ")");
}

void run_one_hot(const Tensor& index, const Tensor& y) {
  const std::int64_t classes = y.shape().back();
  check_range("one_hot", index, classes);
  fill_forward(0, y);
  const std::int64_t* values = index.data<std::int64_t>();
  visit_any(y.dtype(), "one_hot", [&]<typename T>() {
    T* out = y.data<T>();
    for (std::int64_t i = 0; i < index.elements(); ++i) out[i * classes + values[i]] = static_cast<T>(Compute<T>(1));
  });
}

void run_index_select(int axis, const Tensor& x, const Tensor& index, const Tensor& y) {
  const View3 view(x.shape(), axis);
  check_range("index_select", index, view.size);
  const std::int64_t picks = index.elements(), bytes = view.inner * std::int64_t(bytes_of(x.dtype()));
  const std::int64_t* values = index.data<std::int64_t>();
  const auto* from = static_cast<const std::byte*>(x.raw());
  auto* to = static_cast<std::byte*>(y.raw());
  if (bytes == 0) return;
  const std::int64_t grain = std::max<std::int64_t>(1, 65536 / bytes);
  parallel_for(view.outer * picks, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      std::memcpy(to + i * bytes, from + (i / picks * view.size + values[i % picks]) * bytes, std::size_t(bytes));
  });
}

template <typename T>
void add_slices(const View3& view, const Tensor& index, const T* dy, T* dx) {
  const std::int64_t picks = index.elements();
  const std::int64_t* values = index.data<std::int64_t>();
  // Threads share out the inner elements, so that no two add to one place.
  parallel_for(view.inner, std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(1, picks * view.outer)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t o = 0; o < view.outer; ++o)
                   for (std::int64_t i = 0; i < picks; ++i) {
                     const T* from = dy + (o * picks + i) * view.inner;
                     T* to = dx + (o * view.size + values[i]) * view.inner;
                     for (std::int64_t k = begin; k < end; ++k) to[k] += from[k];
                   }
               });
}

void run_index_select_backward(int axis, const Tensor& index, const Tensor& dy, const Tensor& dx) {
  const View3 view(dx.shape(), axis);
  if (dx.dtype() == DType::f64) return add_slices(view, index, dy.data<double>(), dx.data<double>());
  add_slices(view, index, dy.data<float>(), dx.data<float>());
}

// Calls visit(position in index, position in x) for every element of index, in row-major order.
template <typename Visit>
void for_each_pick(int axis, const Shape& shape, const Tensor& index, Visit&& visit) {
  const Strides strides = canonical_strides(shape, MemoryFormat::contiguous);
  const std::int64_t* values = index.data<std::int64_t>();
  const Shape& picked = index.shape();
  Sizes at = picked;
  for (int i = 0; i < at.rank(); ++i) at[i] = 0;
  for (std::int64_t i = 0; i < index.elements(); ++i) {
    std::int64_t offset = values[i] * strides[axis];
    for (int k = 0; k < at.rank(); ++k)
      if (k != axis) offset += at[k] * strides[k];
    visit(i, offset);
    for (int k = at.rank() - 1; k >= 0 && ++at[k] == picked[k]; --k) at[k] = 0;
  }
}

void run_gather(int axis, const Tensor& x, const Tensor& index, const Tensor& y) {
  check_range("gather", index, x.shape()[axis]);
  visit_any(x.dtype(), "gather", [&]<typename T>() {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    for_each_pick(axis, x.shape(), index, [&](std::int64_t i, std::int64_t offset) { to[i] = from[offset]; });
  });
}

void run_gather_backward(int axis, const Tensor& index, const Tensor& dy, const Tensor& dx) {
  const auto add = [&]<typename T>(const T* from, T* to) {
    for_each_pick(axis, dx.shape(), index, [&](std::int64_t i, std::int64_t offset) { to[offset] += from[i]; });
  };
  if (dx.dtype() == DType::f64) return add(dy.data<double>(), dx.data<double>());
  add(dy.data<float>(), dx.data<float>());
}

[[maybe_unused]] const bool registered[] = {
    one_hot_forward.add({.device = kThisDevice, .name = "cpu.rows", .rank = 100, .run = run_one_hot}),
    gather_forward.add({.device = kThisDevice, .name = "cpu.elements", .rank = 100, .run = run_gather}),
    gather_backward.add({.device = kThisDevice, .name = "cpu.elements", .rank = 100, .run = run_gather_backward}),
    index_select_forward.add({.device = kThisDevice, .name = "cpu.slices", .rank = 100, .run = run_index_select}),
    index_select_backward.add(
        {.device = kThisDevice, .name = "cpu.slices", .rank = 100, .run = run_index_select_backward}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
