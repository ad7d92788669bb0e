#include "core/ops/reduce.h"

#include <cmath>
#include <limits>

#include "core/ops/copy.h"
#include "core/ops/elementwise.h"

namespace weft {
namespace {

Cost reduce_cost(Fold, double, const Tensor& x, const Tensor& y) {
  return {.flops = double(x.elements()), .bytes = double(x.bytes()) + double(y.bytes())};
}
Cost argmax_cost(int, const Tensor& x, const Tensor& y) {
  return {.flops = double(x.elements()), .bytes = double(x.bytes()) + double(y.bytes())};
}

// The shapes of a result: with the reduced axes kept at size 1, and without them.
struct Reduced {
  Shape kept, dropped;
  std::int64_t terms = 1;  // that each result is made of
};
Reduced reduced_shapes(const char* op, const Tensor& x, const Axes& axes) {
  bool gone[kMaxRank] = {};
  for (int i = 0; i < axes.count; ++i) {
    const int axis = normalize_axis(axes.values[i], x.rank(), op);
    require(!gone[axis], op, "axis ", axis, " is named twice");
    gone[axis] = true;
  }
  Reduced r{x.shape(), {}};
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (!gone[axis] && axes.count > 0) {
      r.dropped.push_back(x.shape()[axis]);
      continue;
    }
    r.terms *= x.shape()[axis];
    r.kept[axis] = 1;
  }
  return r;
}

void check(const char* op, const Tensor& x, bool floating) {
  require(x.defined(), op, "the operand is undefined");
  if (x.dtype() == DType::boolean || (floating && !is_floating(x.dtype()))) [[unlikely]]
    refuse_dtype(x.dtype(), op, floating ? "f32, f64, f16 or bf16" : "a number");
}

// The same elements under another contiguous shape, without history.
Tensor reshaped(const Tensor& y, const Shape& shape) {
  return y.shape() == shape ? y
                            : make_view(y, {shape, canonical_strides(shape, MemoryFormat::contiguous),
                                            y.layout().offset, MemoryFormat::contiguous});
}
Tensor as_contiguous(const Tensor& x, const Shape& shape) { return reshaped(x.contiguous(), shape); }

Tensor fold(Fold f, double scale, const Tensor& x, const Shape& kept) {
  const Tensor y = empty(kept, {x.dtype(), x.device()});
  reduce_forward(f, scale, x, y);
  return y;
}

// What dx is to be like: x itself is not kept for that.
struct Like {
  Shape shape;
  MemoryFormat format;
  explicit Like(const Tensor& x)
      : shape(x.shape()), format(x.channels_last() ? MemoryFormat::channels_last : MemoryFormat::contiguous) {}
};
// A dense tensor of that shape whose reduced axes repeat dy (of the kept shape).
Tensor spread(const Tensor& dy, const Like& like) {
  const Tensor dx = empty(like.shape, {dy.dtype(), dy.device(), like.format});
  copy_forward(dy.expand(like.shape), dx);
  return dx;
}

Tensor scaled_sum(const char* op, const Tensor& x, const Axes& axes, bool keep, bool average) {
  const Reduced r = reduced_shapes(op, x, axes);
  const double scale = average ? 1.0 / double(r.terms) : 1.0;
  const Tensor y = fold(Fold::sum, scale, x, r.kept);
  return differentiable(op, {x}, keep ? y : reshaped(y, r.dropped),
                        [like = Like(x), kept = r.kept, scale, average](const Tensor& dy, Needs) {
                          const Tensor share = average ? mul(dy, scale) : dy;
                          return Tensors{spread(as_contiguous(share, kept), like)};
                        });
}

// max and min.
Tensor extremum(const char* op, Fold f, const Tensor& x, const Axes& axes, bool keep) {
  check(op, x, false);
  const Reduced r = reduced_shapes(op, x, axes);
  require(r.terms > 0, op, "x ", x.shape(), " has no elements to choose from");
  const Tensor y = fold(f, 1, x, r.kept);
  const Tensor* const inputs[] = {&x};
  const Tensor result = keep ? y : reshaped(y, r.dropped);
  if (!wants_graph(inputs)) return result;
  return differentiable(op, {x}, result, [saved_x = SavedTensor(x), saved_y = SavedTensor(y)](const Tensor& dy, Needs) {
    const Tensor& top = saved_y.get();
    const Tensor chosen = equal(saved_x.get(), top).to(dy.dtype());
    const Tensor share = div(as_contiguous(dy, top.shape()), sum_to(chosen, top.shape()));
    return Tensors{mul(chosen, share)};
  });
}

Tensor root_of_squares(const Tensor& x, const Axes& axes, bool keep) {
  const Reduced r = reduced_shapes("norm", x, axes);
  const Tensor y = fold(Fold::root_square_sum, 1, x, r.kept);
  const Tensor result = keep ? y : reshaped(y, r.dropped);
  const Tensor* const inputs[] = {&x};
  if (!wants_graph(inputs)) return result;
  return differentiable("norm", {x}, result,
                        [saved_x = SavedTensor(x), saved_y = SavedTensor(y)](const Tensor& dy, Needs) {
                          const Tensor& y = saved_y.get();
                          const Tensor zero = zeros({}, {y.dtype(), y.device()});
                          const Tensor ratio = where(equal(y, 0), zero, div(as_contiguous(dy, y.shape()), y));
                          return Tensors{mul(saved_x.get(), ratio)};
                        });
}

}  // namespace

constinit KernelSlot<void(Fold, double, const Tensor&, const Tensor&)> reduce_forward{"reduce_forward", reduce_cost};
constinit KernelSlot<void(int, const Tensor&, const Tensor&)> argmax_forward{"argmax_forward", argmax_cost};

Axes::Axes(std::span<const int> axes) {
  require(axes.size() <= kMaxRank, "axes", "at most ", kMaxRank, " axes, got ", axes.size());
  for (const int axis : axes) values[count++] = axis;
}

Tensor sum(const Tensor& x, Axes axes, bool keep) {
  check("sum", x, false);
  return scaled_sum("sum", x, axes, keep, false);
}

Tensor mean(const Tensor& x, Axes axes, bool keep) {
  check("mean", x, true);
  return scaled_sum("mean", x, axes, keep, true);
}

Tensor max(const Tensor& x, Axes axes, bool keep) { return extremum("max", Fold::max, x, axes, keep); }
Tensor min(const Tensor& x, Axes axes, bool keep) { return extremum("min", Fold::min, x, axes, keep); }

Tensor var(const Tensor& x_in, Axes axes, bool keep, int correction) {
  check("var", x_in, true);
  const Reduced r = reduced_shapes("var", x_in, axes);
  // Squares of 16-bit floats overflow or vanish long before their mean does.
  const bool wide = x_in.dtype() == DType::f64;
  const Tensor x = wide ? x_in : x_in.to(DType::f32);
  const Tensor squares = sum(square(x - mean(x, axes, true)), axes, keep);
  const double divisor = double(r.terms) - correction;
  return (squares / (divisor > 0 ? divisor : 0.0)).to(x_in.dtype());
}

Tensor norm(const Tensor& x, Axes axes, bool keep, double p) {
  check("norm", x, true);
  require(p > 0, "norm", "p must be positive, got ", p);
  if (p == 2) return root_of_squares(x, axes, keep);
  if (p == 1) return sum(abs(x), axes, keep);
  if (p == std::numeric_limits<double>::infinity()) return max(abs(x), axes, keep);
  return pow(sum(pow(abs(x), p), axes, keep), 1 / p);
}

Tensor argmax(const Tensor& x, int axis_in, bool keep) {
  check("argmax", x, false);
  const int axis = normalize_axis(axis_in, x.rank(), "argmax");
  Shape kept = x.shape(), dropped = x.shape();
  require(kept[axis] > 0, "argmax", "x ", x.shape(), " has no elements along axis ", axis);
  kept[axis] = 1;
  dropped.erase(axis);
  const Tensor y = empty(kept, {DType::i64, x.device()});
  argmax_forward(axis, x, y);
  return keep ? y : reshaped(y, dropped);
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  require(shape.rank() <= x.rank() && broadcast_shapes(x.shape(), shape, "sum_to") == x.shape(), "sum_to", shape,
          " does not broadcast to ", x.shape());
  Shape kept = x.shape();
  for (int axis = 0; axis < x.rank(); ++axis) {
    const int own = axis - (x.rank() - shape.rank());
    kept[axis] = own < 0 ? 1 : shape[own];
  }
  const Tensor y = reshaped(fold(Fold::sum, 1, x, kept), shape);
  return differentiable("sum_to", {x}, y, [like = Like(x), kept](const Tensor& dy, Needs) {
    return Tensors{spread(as_contiguous(dy, kept), like)};
  });
}

}  // namespace weft
