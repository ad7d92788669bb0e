#include "core/ops/index.h"

#include "core/autograd.h"
#include "core/ops/copy.h"

namespace weft {
namespace {

Cost one_hot_cost(const Tensor& index, const Tensor& y) { return {.bytes = double(index.bytes()) + double(y.bytes())}; }
Cost pick_cost(int, const Tensor&, const Tensor& index, const Tensor& y) {
  return {.bytes = double(index.bytes()) + 2 * double(y.bytes())};
}
Cost put_cost(int, const Tensor& index, const Tensor& dy, const Tensor& dx) {
  return {.flops = double(dy.elements()), .bytes = double(index.bytes()) + double(dy.bytes()) + 2 * double(dx.bytes())};
}

// Any integer index as the kernels read it.
Tensor as_index(const char* op, const Tensor& index) {
  require(index.defined(), op, "the index is undefined");
  if (is_floating(index.dtype()) || index.dtype() == DType::boolean)
    refuse_dtype(index.dtype(), op, "an index of an integer type (i32, i64 or u8)");
  return index.to(DType::i64).contiguous();
}

using PutSlot = KernelSlot<void(int, const Tensor&, const Tensor&, const Tensor&)>;

// dx of a pick: zeros plus the picked gradients; 16-bit floats are added up in f32.
Tensor put_gradient(const PutSlot& slot, int axis, const Tensor& index, const Tensor& dy, const Shape& shape) {
  const DType sum_dtype = dy.dtype() == DType::f64 ? DType::f64 : DType::f32;
  const Tensor dx = zeros(shape, {sum_dtype, dy.device()});
  slot(axis, index, dy.to(sum_dtype).contiguous(), dx);
  return dx.to(dy.dtype());
}

// The part of y along an axis, without history.
Tensor part_of(const Tensor& y, int axis, std::int64_t begin, std::int64_t size) {
  Layout layout = y.layout();
  Shape shape = layout.shape;
  shape[axis] = size;
  return make_view(y, view_layout(shape, layout.strides, layout.offset + begin * layout.strides[axis], y.format()));
}

// Checks all parts against the first; returns the shape of the whole.
Shape joined_shape(std::span<const Tensor> tensors, int axis) {
  Shape shape = tensors[0].shape();
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    const Tensor& x = tensors[i];
    Shape other = x.shape();
    const bool fits = x.rank() == shape.rank() && (other[axis] = shape[axis], other == shape);
    require(fits, "concat", "tensor ", i, " is ", x.shape(), ", which does not fit to ", tensors[0].shape(),
            " along axis ", axis);
    require(x.dtype() == tensors[0].dtype(), "concat", "tensor ", i, " is ", x.dtype(), " and the first ",
            tensors[0].dtype(), "; convert one with .to(DType)");
    shape[axis] += x.shape()[axis];
  }
  return shape;
}

}  // namespace

constinit KernelSlot<void(const Tensor&, const Tensor&)> one_hot_forward{"one_hot_forward", one_hot_cost};
constinit KernelSlot<void(int, const Tensor&, const Tensor&, const Tensor&)> gather_forward{"gather_forward",
                                                                                            pick_cost};
constinit KernelSlot<void(int, const Tensor&, const Tensor&, const Tensor&)> gather_backward{"gather_backward",
                                                                                             put_cost};
constinit KernelSlot<void(int, const Tensor&, const Tensor&, const Tensor&)> index_select_forward{
    "index_select_forward", pick_cost};
constinit KernelSlot<void(int, const Tensor&, const Tensor&, const Tensor&)> index_select_backward{
    "index_select_backward", put_cost};

Tensor concat(std::span<const Tensor> tensors, int axis_in) {
  require(!tensors.empty(), "concat", "needs at least one tensor");
  for (const Tensor& x : tensors) require(x.defined(), "concat", "an operand is undefined");
  const int axis = normalize_axis(axis_in, tensors[0].rank(), "concat");
  const Shape shape = joined_shape(tensors, axis);
  bool channels_last = true;
  for (const Tensor& x : tensors) channels_last = channels_last && x.channels_last();
  const MemoryFormat format = channels_last ? MemoryFormat::channels_last : MemoryFormat::contiguous;
  const Tensor y = empty(shape, {tensors[0].dtype(), tensors[0].device(), format});
  std::vector<std::int64_t> sizes;
  std::int64_t begin = 0;
  for (const Tensor& x : tensors) {
    sizes.push_back(x.shape()[axis]);
    copy_forward(x, part_of(y, axis, begin, sizes.back()));
    begin += sizes.back();
  }
  return differentiable("concat", tensors, y, [axis, sizes](const Tensor& dy, Needs needs) {
    Tensors dxs(sizes.size());
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < sizes.size(); begin += sizes[i++])
      if (needs[static_cast<int>(i)]) dxs[i] = part_of(dy, axis, begin, sizes[i]).clone();
    return dxs;
  });
}

Tensors split(const Tensor& x, std::span<const std::int64_t> sizes, int axis_in) {
  require(x.defined(), "split", "the operand is undefined");
  const int axis = normalize_axis(axis_in, x.rank(), "split");
  Tensors parts;
  std::int64_t begin = 0;
  for (const std::int64_t size : sizes) {
    require(size >= 0 && begin + size <= x.shape()[axis], "split", "the sizes exceed axis ", axis, " of ", x.shape());
    parts.push_back(part_of(x, axis, begin, size));
    begin += size;
  }
  require(begin == x.shape()[axis], "split", "the sizes add up to ", begin, " but axis ", axis, " of ", x.shape(),
          " has ", x.shape()[axis]);
  const MemoryFormat format = x.channels_last() ? MemoryFormat::channels_last : MemoryFormat::contiguous;
  const std::vector<std::int64_t> kept(sizes.begin(), sizes.end());
  const TensorOptions options{x.dtype(), x.device(), format};
  return differentiable("split", {x}, parts,
                        [axis, kept, shape = x.shape(), options](std::span<const Tensor> dys, Needs) {
                          const Tensor dx = empty(shape, options);
                          std::int64_t begin = 0;
                          for (std::size_t i = 0; i < kept.size(); begin += kept[i++]) {
                            const Tensor part = part_of(dx, axis, begin, kept[i]);
                            if (dys[i].defined())
                              copy_forward(dys[i], part);
                            else
                              fill_forward(0, part);
                          }
                          return Tensors{dx};
                        });
}

Tensor one_hot(const Tensor& index_in, std::int64_t classes, DType dtype) {
  const Tensor index = as_index("one_hot", index_in);
  require(classes > 0, "one_hot", "needs at least one class, got ", classes);
  Shape shape = index.shape();
  shape.push_back(classes);
  Tensor y = empty(shape, {dtype, index.device()});
  one_hot_forward(index, y);
  return y;
}

Tensor gather(const Tensor& x_in, int axis_in, const Tensor& index_in) {
  require(x_in.defined(), "gather", "the operand is undefined");
  const Tensor x = x_in.contiguous(), index = as_index("gather", index_in);
  const int axis = normalize_axis(axis_in, x.rank(), "gather");
  bool fits = index.rank() == x.rank();
  for (int i = 0; fits && i < x.rank(); ++i) fits = i == axis || index.shape()[i] <= x.shape()[i];
  require(fits, "gather", "index ", index.shape(), " must have the rank of x ", x.shape(),
          " and be no larger but along axis ", axis);
  Tensor y = empty(index.shape(), {x.dtype(), x.device()});
  gather_forward(axis, x, index, y);
  return differentiable("gather", {x}, y,
                        [axis, shape = x.shape(), saved = SavedTensor(index)](const Tensor& dy, Needs) {
                          return Tensors{put_gradient(gather_backward, axis, saved.get(), dy, shape)};
                        });
}

Tensor index_select(const Tensor& x_in, int axis_in, const Tensor& index_in) {
  require(x_in.defined(), "index_select", "the operand is undefined");
  const Tensor x = x_in.contiguous(), index = as_index("index_select", index_in);
  const int axis = normalize_axis(axis_in, x.rank(), "index_select");
  require(index.rank() == 1, "index_select", "the index must have one axis, got ", index.shape());
  Shape shape = x.shape();
  shape[axis] = index.elements();
  Tensor y = empty(shape, {x.dtype(), x.device()});
  index_select_forward(axis, x, index, y);
  return differentiable("index_select", {x}, y,
                        [axis, shape = x.shape(), saved = SavedTensor(index)](const Tensor& dy, Needs) {
                          return Tensors{put_gradient(index_select_backward, axis, saved.get(), dy, shape)};
                        });
}

}  // namespace weft
