#include "core/ops/pool2d.h"

#include "core/autograd.h"

namespace weft {
namespace {

// One operation per element of each window, one pass over both images.
Cost pool_cost(const Tensor& x, const Pool2dOptions& o, const Tensor& y) {
  return {0, static_cast<double>(y.elements()) * o.kernel.h * o.kernel.w, static_cast<double>(x.bytes() + y.bytes())};
}
Cost max_forward_cost(const Tensor& x, Pool2dOptions o, const Tensor& y, const Tensor&) { return pool_cost(x, o, y); }
Cost max_backward_cost(const Tensor& dy, const Tensor&, Pool2dOptions o, const Tensor& dx) {
  return pool_cost(dx, o, dy);
}
Cost avg_forward_cost(const Tensor& x, Pool2dOptions o, const Tensor& y) { return pool_cost(x, o, y); }
Cost avg_backward_cost(const Tensor& dy, Pool2dOptions o, const Tensor& dx) { return pool_cost(dx, o, dy); }

Tensor tagged(const Tensor& x) { return x.format() == MemoryFormat::strided ? x.contiguous() : x; }

}  // namespace

constinit KernelSlot<void(const Tensor&, Pool2dOptions, const Tensor&, const Tensor&)> max_pool2d_forward{
    "max_pool2d_forward", max_forward_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, Pool2dOptions, const Tensor&)> max_pool2d_backward{
    "max_pool2d_backward", max_backward_cost};
constinit KernelSlot<void(const Tensor&, Pool2dOptions, const Tensor&)> avg_pool2d_forward{"avg_pool2d_forward",
                                                                                           avg_forward_cost};
constinit KernelSlot<void(const Tensor&, Pool2dOptions, const Tensor&)> avg_pool2d_backward{"avg_pool2d_backward",
                                                                                            avg_backward_cost};

Shape pool2d_shape(const Shape& x, Pool2dOptions& o, std::string_view op) {
  if (o.stride.h == 0) o.stride.h = o.kernel.h;
  if (o.stride.w == 0) o.stride.w = o.kernel.w;
  require(x.rank() == 4, op, "x must be (N, C, H, W), not ", x);
  require(o.kernel.h >= 1 && o.kernel.w >= 1 && o.stride.h >= 1 && o.stride.w >= 1, op,
          "kernel and stride must be at least 1, got kernel ", o.kernel, ", stride ", o.stride);
  require(o.padding.h >= 0 && o.padding.w >= 0 && o.padding.h <= o.kernel.h / 2 && o.padding.w <= o.kernel.w / 2, op,
          "padding must be between 0 and half the kernel ", o.kernel, ", got ", o.padding);
  const std::int64_t room_h = x[2] + 2 * o.padding.h - o.kernel.h, room_w = x[3] + 2 * o.padding.w - o.kernel.w;
  require(room_h >= 0 && room_w >= 0, op, "x ", x, " with padding ", o.padding, " is smaller than the kernel ",
          o.kernel);
  return {x[0], x[1], room_h / o.stride.h + 1, room_w / o.stride.w + 1};
}

Tensor max_pool2d(const Tensor& x_in, Pool2dOptions options) {
  const Shape shape = pool2d_shape(x_in.shape(), options, "max_pool2d");
  const Tensor x = tagged(x_in);
  const Tensor* const inputs[] = {&x};
  Tensor y = empty(shape, {x.dtype(), x.device(), x.format()});
  const Tensor index = wants_graph(inputs) ? empty(shape, {DType::i32, x.device(), x.format()}) : Tensor();
  max_pool2d_forward(x, options, y, index);
  return differentiable("max_pool2d", {x}, y, [index, options, like = x.shape()](const Tensor& dy, Needs) -> Tensors {
    Tensor dx = empty(like, {dy.dtype(), dy.device(), index.format()});
    max_pool2d_backward(dy.to(index.format()), index, options, dx);
    return {dx};
  });
}

Tensor avg_pool2d(const Tensor& x_in, Pool2dOptions options) {
  const Shape shape = pool2d_shape(x_in.shape(), options, "avg_pool2d");
  const Tensor x = tagged(x_in);
  Tensor y = empty(shape, {x.dtype(), x.device(), x.format()});
  avg_pool2d_forward(x, options, y);
  return differentiable("avg_pool2d", {x}, y,
                        [options, like = x.shape(), format = x.format()](const Tensor& dy, Needs) -> Tensors {
                          Tensor dx = empty(like, {dy.dtype(), dy.device(), format});
                          avg_pool2d_backward(dy.to(format), options, dx);
                          return {dx};
                        });
}

Tensor global_avg_pool2d(const Tensor& x) {
  require(x.rank() == 4 && x.size(2) > 0 && x.size(3) > 0, "global_avg_pool2d", "x must be (N, C, H, W), not ",
          x.shape());
  return avg_pool2d(x, {.kernel = {static_cast<int>(x.size(2)), static_cast<int>(x.size(3))}});
}

}  // namespace weft
