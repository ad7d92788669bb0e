#include "core/ops/concat.h"

#include "core/autocast.h"
#include "core/autograd.h"
#include "core/ops/copy.h"

namespace weft {

namespace {

// Whether the channels of b follow those of a in the pixels of one buffer.
bool adjacent(const Tensor& a, const Tensor& b) {
  return a.channels_last() && b.channels_last() && a.storage().get() == b.storage().get() &&
         a.layout().pitch() == b.layout().pitch() && b.layout().offset == a.layout().offset + a.size(1);
}
bool side_by_side(const Tensors& xs) {
  for (std::size_t i = 0; i + 1 < xs.size(); ++i)
    if (!adjacent(xs[i], xs[i + 1])) return false;
  return xs.front().channels_last() && xs.front().elements() > 0;
}

}  // namespace

Tensor output_tensor(const char* op, const Shape& shape, const Tensor& x, const Tensor& out) {
  if (!out.defined()) return empty(shape, {x.dtype(), x.device(), x.format()});
  require(out.shape() == shape && out.dtype() == x.dtype() && out.device() == x.device(), op, "out must be ", shape,
          " ", x.dtype(), " on ", x.device(), ", not ", out.shape(), " ", out.dtype(), " on ", out.device());
  require(out.format() == x.format(), op, "out is ", out.format(), " but x is ", x.format());
  require(!out.requires_grad(), op, "out must have no history; give it a slice of a fresh image");
  return make_view(out, out.layout());
}

Shape concat_shape(const Tensors& xs, int axis_in) {
  require(!xs.empty(), "concat", "needs at least one tensor");
  const Tensor& first = xs.front();
  const int axis = normalize_axis(axis_in, first.rank(), "concat");
  Shape shape = first.shape();
  shape[axis] = 0;
  for (const Tensor& x : xs) {
    require(x.dtype() == first.dtype(), "concat", "tensors are ", first.dtype(), " and ", x.dtype(),
            "; convert one with .to(dtype)");
    require(x.device() == first.device(), "concat", "tensors are on ", first.device(), " and ", x.device(),
            "; move one with .to(device)");
    bool fits = x.rank() == first.rank();
    for (int i = 0; fits && i < x.rank(); ++i) fits = i == axis || x.shape()[i] == shape[i];
    require(fits, "concat", x.shape(), " does not fit beside ", first.shape(), " along axis ", axis);
    shape[axis] += x.shape()[axis];
  }
  return shape;
}

Tensor concat(const Tensors& xs_in, int axis_in) {
  const Tensors xs = autocast_alike(xs_in);
  const Shape shape = concat_shape(xs, axis_in);
  const Tensor& first = xs.front();
  const int axis = normalize_axis(axis_in, first.rank(), "concat");
  const MemoryFormat format = first.channels_last() ? MemoryFormat::channels_last : MemoryFormat::contiguous;
  const bool in_place = axis == 1 && first.rank() == 4 && side_by_side(xs);
  Tensor y;
  if (in_place)
    y = make_view(first,
                  {shape, canonical_strides(shape, format, first.layout().pitch()), first.layout().offset, format});
  else
    y = empty(shape, {first.dtype(), first.device(), format});
  std::vector<std::int64_t> ends;  // of each x along the axis
  std::int64_t end = 0;
  for (const Tensor& x : xs) {
    const std::int64_t begin = end;
    ends.push_back(end += x.size(axis));
    if (!in_place && x.elements() > 0) copy_forward(x, y.slice(axis, begin, end));
  }
  return differentiable("concat", std::span(xs), y, [axis, ends](const Tensor& dy, Needs needs) -> Tensors {
    Tensors dxs(ends.size());
    for (std::size_t i = 0; i < ends.size(); ++i)
      if (needs[static_cast<int>(i)]) dxs[i] = dy.slice(axis, i == 0 ? 0 : ends[i - 1], ends[i]);
    return dxs;
  });
}

}  // namespace weft
