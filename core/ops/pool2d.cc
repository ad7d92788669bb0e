#include "core/ops/pool2d.h"

#include "core/autograd.h"
#include "core/ops/concat.h"

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

Cost adaptive_cost(const Tensor& x, const Tensor& y) {
  return {0, static_cast<double>(x.elements()), static_cast<double>(x.bytes() + y.bytes())};
}

// Windows along one axis; < 1 when there is none.
std::int64_t window_count(std::int64_t size, int kernel, int stride, int padding, bool ceil_mode) {
  const std::int64_t room = size + 2 * padding - kernel;
  if (room < 0 && (!ceil_mode || room <= -stride)) return 0;
  const std::int64_t count = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  return (count - 1) * stride >= size + padding ? count - 1 : count;
}

// dy in the format of x; a slice of wider pixels stays one, as the kernels take it.
Tensor images_for(const Tensor& x, const Tensor& dy) {
  return dy.channels_last() && x.channels_last() ? dy : dy.to(x.format());
}
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
constinit KernelSlot<void(const Tensor&, const Tensor&)> adaptive_avg_pool2d_forward{"adaptive_avg_pool2d_forward",
                                                                                     adaptive_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&)> adaptive_avg_pool2d_backward{"adaptive_avg_pool2d_backward",
                                                                                      adaptive_cost};

Shape pool2d_shape(const Shape& x, Pool2dOptions& o, std::string_view op) {
  if (o.stride.h == 0) o.stride.h = o.kernel.h;
  if (o.stride.w == 0) o.stride.w = o.kernel.w;
  require(x.rank() == 4, op, "x must be (N, C, H, W), not ", x);
  require(o.kernel.h >= 1 && o.kernel.w >= 1 && o.stride.h >= 1 && o.stride.w >= 1, op,
          "kernel and stride must be at least 1, got kernel ", o.kernel, ", stride ", o.stride);
  require(o.padding.h >= 0 && o.padding.w >= 0 && o.padding.h <= o.kernel.h / 2 && o.padding.w <= o.kernel.w / 2, op,
          "padding must be between 0 and half the kernel ", o.kernel, ", got ", o.padding);
  const std::int64_t p = window_count(x[2], o.kernel.h, o.stride.h, o.padding.h, o.ceil_mode);
  const std::int64_t q = window_count(x[3], o.kernel.w, o.stride.w, o.padding.w, o.ceil_mode);
  require(p >= 1 && q >= 1, op, "x ", x, " with padding ", o.padding, " is smaller than the kernel ", o.kernel);
  return {x[0], x[1], p, q};
}

DType pool2d_index_dtype(const Pool2dOptions& o) {
  return std::int64_t{o.kernel.h} * o.kernel.w <= 255 ? DType::u8 : DType::i32;
}

Tensor max_pool2d(const Tensor& x_in, Pool2dOptions options, const Tensor& out) {
  const Shape shape = pool2d_shape(x_in.shape(), options, "max_pool2d");
  const Tensor x = tagged(x_in);
  const Tensor* const inputs[] = {&x};
  Tensor y = output_tensor("max_pool2d", shape, x, out);
  const Tensor index =
      wants_graph(inputs) ? empty(shape, {pool2d_index_dtype(options), x.device(), x.format()}) : Tensor();
  max_pool2d_forward(x, options, y, index);
  return differentiable("max_pool2d", {x}, y, [index, options, like = x.shape()](const Tensor& dy, Needs) -> Tensors {
    Tensor dx = empty(like, {dy.dtype(), dy.device(), index.format()});
    max_pool2d_backward(images_for(index, dy), index, options, dx);
    return {dx};
  });
}

Tensor avg_pool2d(const Tensor& x_in, Pool2dOptions options, const Tensor& out) {
  const Shape shape = pool2d_shape(x_in.shape(), options, "avg_pool2d");
  const Tensor x = tagged(x_in);
  Tensor y = output_tensor("avg_pool2d", shape, x, out);
  avg_pool2d_forward(x, options, y);
  return differentiable("avg_pool2d", {x}, y,
                        [options, like = x.shape(), format = x.format()](const Tensor& dy, Needs) -> Tensors {
                          Tensor dx = empty(like, {dy.dtype(), dy.device(), format});
                          avg_pool2d_backward(images_for(dx, dy), options, dx);
                          return {dx};
                        });
}

Tensor global_avg_pool2d(const Tensor& x) {
  require(x.rank() == 4 && x.size(2) > 0 && x.size(3) > 0, "global_avg_pool2d", "x must be (N, C, H, W), not ",
          x.shape());
  return avg_pool2d(x, {.kernel = {static_cast<int>(x.size(2)), static_cast<int>(x.size(3))}});
}

Tensor adaptive_avg_pool2d(const Tensor& x_in, Pair out) {
  require(x_in.rank() == 4 && x_in.size(2) > 0 && x_in.size(3) > 0, "adaptive_avg_pool2d",
          "x must be (N, C, H, W) with pixels, not ", x_in.shape());
  require(out.h >= 1 && out.w >= 1, "adaptive_avg_pool2d", "the output must have at least 1 x 1 pixels, not ", out);
  const std::int64_t h = x_in.size(2), w = x_in.size(3);
  if (h % out.h == 0 && w % out.w == 0)
    return avg_pool2d(x_in, {.kernel = {static_cast<int>(h / out.h), static_cast<int>(w / out.w)}});
  const Tensor x = tagged(x_in);
  Tensor y = empty({x.size(0), x.size(1), out.h, out.w}, {x.dtype(), x.device(), x.format()});
  adaptive_avg_pool2d_forward(x, y);
  return differentiable("adaptive_avg_pool2d", {x}, y,
                        [like = x.shape(), format = x.format()](const Tensor& dy, Needs) -> Tensors {
                          Tensor dx = empty(like, {dy.dtype(), dy.device(), format});
                          adaptive_avg_pool2d_backward(dy.to(format), dx);
                          return {dx};
                        });
}

}  // namespace weft
