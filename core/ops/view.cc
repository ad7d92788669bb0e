// The Tensor methods that look at the same storage through another layout, each with its gradient. Only reshape may
// copy, when the strides leave no other way.

#include <algorithm>

#include "core/autograd.h"
#include "core/ops/copy.h"
#include "core/ops/reduce.h"

namespace weft {
namespace {

// dx for an input of that shape of which `part` received dy: zero elsewhere.
template <typename Part>
Tensor scatter_into(const Shape& shape, const Tensor& dy, Part&& part) {
  const Tensor dx = zeros(shape, {dy.dtype(), dy.device()});
  copy_forward(dy, part(dx));
  return dx;
}

// The shape asked for, its -1 replaced.
Shape complete_shape(const Shape& wanted, const Tensor& x) {
  Shape shape = wanted;
  int open = -1;
  std::int64_t known = 1;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] != -1) {
      known *= shape[axis];
      continue;
    }
    require(open < 0, "reshape", "only one size may be -1, got ", wanted);
    open = axis;
  }
  if (open >= 0) {
    require(known > 0 && x.elements() % known == 0, "reshape", "cannot infer -1 in ", wanted, " from ", x.shape());
    shape[open] = x.elements() / known;
  }
  require(shape.elements() == x.elements(), "reshape", x.shape(), " has ", x.elements(), " elements, ", wanted, " has ",
          shape.elements());
  return shape;
}

// The strides that let `shape` look at x without a copy; false when there are none. Walks both shapes from the inside
// and matches runs of x's axes that are contiguous among themselves.
bool reshaped_strides(const Tensor& x, const Shape& shape, Strides& out) {
  Sizes sizes, steps;  // x without its axes of size 1
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (x.shape()[axis] == 1) continue;
    sizes.push_back(x.shape()[axis]);
    steps.push_back(x.strides()[axis]);
  }
  out = shape;
  int to = shape.rank() - 1;
  for (int from = sizes.rank() - 1; from >= 0; --from) {
    std::int64_t run = sizes[from], step = steps[from];
    while (from > 0 && steps[from - 1] == sizes[from] * steps[from]) run *= sizes[--from];
    for (; to >= 0 && run > 1; --to) {
      if (run % shape[to] != 0) return false;
      out[to] = step;
      step *= shape[to];
      run /= shape[to];
    }
  }
  for (; to >= 0; --to) out[to] = 1;  // what is left has size 1
  return true;
}

Tensor view_of(const Tensor& x, const Shape& shape, const Strides& strides, std::int64_t offset) {
  return make_view(x, view_layout(shape, strides, offset, x.format()));
}

}  // namespace

Tensor Tensor::reshape(const Shape& wanted) const {
  const Shape target = complete_shape(wanted, *this);
  if (target == shape()) return *this;
  Strides strides;
  Tensor y;
  if (contiguous_format()) {
    y = make_view(*this, {target, canonical_strides(target, MemoryFormat::contiguous), layout().offset, {}});
  } else if (elements() > 0 && reshaped_strides(*this, target, strides)) {
    y = view_of(*this, target, strides, layout().offset);
  } else {
    y = empty(target, {dtype(), device()});
    copy_forward(*this, make_view(y, dense_layout(shape())));
  }
  return differentiable("reshape", {*this}, y,
                        [from = shape()](const Tensor& dy, Needs) -> Tensors { return {dy.reshape(from)}; });
}

Tensor Tensor::permute(std::span<const int> axes) const {
  require(static_cast<int>(axes.size()) == rank(), "permute", "needs ", rank(), " axes for ", shape(), ", got ",
          axes.size());
  Shape permuted = shape();
  Strides permuted_strides = strides();
  std::vector<int> inverse(axes.size(), -1);
  for (int to = 0; to < rank(); ++to) {
    const int from = normalize_axis(axes[static_cast<std::size_t>(to)], rank(), "permute");
    require(inverse[static_cast<std::size_t>(from)] < 0, "permute", "axis ", from, " is named twice");
    inverse[static_cast<std::size_t>(from)] = to;
    permuted[to] = shape()[from];
    permuted_strides[to] = strides()[from];
  }
  return differentiable("permute", {*this}, view_of(*this, permuted, permuted_strides, layout().offset),
                        [inverse](const Tensor& dy, Needs) -> Tensors { return {dy.permute(inverse)}; });
}

Tensor Tensor::transpose(int axis_a, int axis_b) const {
  const int a = normalize_axis(axis_a, rank(), "transpose"), b = normalize_axis(axis_b, rank(), "transpose");
  Shape swapped = shape();
  Strides swapped_strides = strides();
  std::swap(swapped[a], swapped[b]);
  std::swap(swapped_strides[a], swapped_strides[b]);
  return differentiable("transpose", {*this}, view_of(*this, swapped, swapped_strides, layout().offset),
                        [a, b](const Tensor& dy, Needs) -> Tensors { return {dy.transpose(a, b)}; });
}

Tensor Tensor::slice(int axis_in, std::int64_t begin, std::int64_t end, std::int64_t step) const {
  const int axis = normalize_axis(axis_in, rank(), "slice");
  const std::int64_t size = shape()[axis];
  const auto clip = [size](std::int64_t i) { return std::clamp<std::int64_t>(i < 0 ? i + size : i, 0, size); };
  require(step >= 1, "slice", "step must be at least 1, got ", step);
  begin = clip(begin);
  end = std::max(begin, clip(end));
  Shape sliced = shape();
  Strides sliced_strides = strides();
  sliced[axis] = (end - begin + step - 1) / step;
  sliced_strides[axis] *= step;
  const std::int64_t offset = layout().offset + begin * strides()[axis];
  const auto gradient = [=, from = shape()](const Tensor& dy, Needs) -> Tensors {
    return {scatter_into(from, dy, [&](const Tensor& dx) { return dx.slice(axis, begin, end, step); })};
  };
  return differentiable("slice", {*this}, view_of(*this, sliced, sliced_strides, offset), gradient);
}

Tensor Tensor::select(int axis_in, std::int64_t index_in) const {
  const int axis = normalize_axis(axis_in, rank(), "select");
  const std::int64_t size = shape()[axis];
  require(index_in >= -size && index_in < size, "select", "index ", index_in, " is out of range for axis ", axis,
          " of ", shape());
  const std::int64_t index = index_in < 0 ? index_in + size : index_in;
  Shape rest = shape();
  Strides rest_strides = strides();
  rest.erase(axis);
  rest_strides.erase(axis);
  const std::int64_t offset = layout().offset + index * strides()[axis];
  const auto gradient = [=, from = shape()](const Tensor& dy, Needs) -> Tensors {
    return {scatter_into(from, dy, [&](const Tensor& dx) { return dx.select(axis, index); })};
  };
  return differentiable("select", {*this}, view_of(*this, rest, rest_strides, offset), gradient);
}

Tensor Tensor::expand(const Shape& wanted) const {
  require(wanted.rank() >= rank(), "expand", shape(), " cannot become ", wanted, ", which has fewer axes");
  Shape expanded = wanted;
  Strides expanded_strides = wanted;
  const int added = wanted.rank() - rank();
  for (int to = 0; to < wanted.rank(); ++to) {
    const std::int64_t size = to < added ? 1 : shape()[to - added];
    if (expanded[to] == -1 && to >= added) expanded[to] = size;
    require(expanded[to] >= 0 && (size == expanded[to] || size == 1), "expand", shape(), " cannot become ", wanted);
    expanded_strides[to] = size == expanded[to] && to >= added ? strides()[to - added] : 0;
  }
  return differentiable("expand", {*this}, view_of(*this, expanded, expanded_strides, layout().offset),
                        [from = shape()](const Tensor& dy, Needs) -> Tensors { return {sum_to(dy, from)}; });
}

Tensor Tensor::squeeze(int axis_in) const {
  const int axis = normalize_axis(axis_in, rank(), "squeeze");
  require(shape()[axis] == 1, "squeeze", "axis ", axis, " of ", shape(), " has size ", shape()[axis], ", not 1");
  Shape squeezed = shape();
  Strides squeezed_strides = strides();
  squeezed.erase(axis);
  squeezed_strides.erase(axis);
  return differentiable("squeeze", {*this}, view_of(*this, squeezed, squeezed_strides, layout().offset),
                        [axis](const Tensor& dy, Needs) -> Tensors { return {dy.unsqueeze(axis)}; });
}

Tensor Tensor::unsqueeze(int axis_in) const {
  const int axis = normalize_axis(axis_in, rank() + 1, "unsqueeze");
  Shape grown = shape();
  Strides grown_strides = strides();
  grown.insert(axis, 1);
  grown_strides.insert(axis, 1);
  return differentiable("unsqueeze", {*this}, view_of(*this, grown, grown_strides, layout().offset),
                        [axis](const Tensor& dy, Needs) -> Tensors { return {dy.squeeze(axis)}; });
}

Tensor Tensor::flatten(int first_axis, int last_axis) const {
  if (rank() == 0) return reshape({1});
  const int first = normalize_axis(first_axis, rank(), "flatten"), last = normalize_axis(last_axis, rank(), "flatten");
  require(first <= last, "flatten", "axis ", first, " lies after axis ", last);
  Shape flat;
  std::int64_t product = 1;
  for (int axis = 0; axis < rank(); ++axis) {
    if (axis < first || axis > last) {
      flat.push_back(shape()[axis]);
      continue;
    }
    product *= shape()[axis];
    if (axis == last) flat.push_back(product);
  }
  return reshape(flat);
}

}  // namespace weft
