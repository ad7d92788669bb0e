#include "core/ops/layer_norm.h"

#include "core/autograd.h"

namespace weft {
namespace {

Cost row_cost(double flops, std::initializer_list<Input> tensors) {
  Cost cost;
  for (const Input& x : tensors) cost.bytes += static_cast<double>(x.tensor->bytes());
  cost.flops = flops * static_cast<double>(tensors.begin()->tensor->elements());
  return cost;
}
Cost forward_cost(const Tensor& x, const Tensor&, const Tensor&, RowNorm, const Tensor&, const Tensor&,
                  const Tensor& y) {
  return row_cost(7, {x, y});
}
Cost data_cost(const Tensor& x, const Tensor& dy, const Tensor&, const Tensor&, const Tensor&, RowNorm,
               const Tensor& dx) {
  return row_cost(9, {x, dy, dx});
}
Cost weight_cost(const Tensor& x, const Tensor& dy, const Tensor&, const Tensor&, RowNorm, const Tensor&,
                 const Tensor&) {
  return row_cost(5, {x, dy});
}

DType statistics_dtype(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

Shape row_shape(const Tensor& x, int axes) {
  Shape row;
  for (int axis = x.rank() - axes; axis < x.rank(); ++axis) row.push_back(x.size(axis));
  return row;
}

}  // namespace

constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&, RowNorm, const Tensor&, const Tensor&,
                          const Tensor&)>
    layer_norm_forward{"layer_norm_forward", forward_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, RowNorm,
                          const Tensor&)>
    layer_norm_backward_data{"layer_norm_backward_data", data_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, RowNorm, const Tensor&,
                          const Tensor&)>
    layer_norm_backward_weight{"layer_norm_backward_weight", weight_cost};

Tensor normalize_rows(const char* op, const Tensor& x, const Tensor& weight_in, const Tensor& bias_in, RowNorm rows) {
  const TensorOptions statistics = {statistics_dtype(x.dtype()), x.device()};
  const auto numbers = [&](const char* name, const Tensor& v) {
    if (!v.defined()) return v;
    require(v.dtype() == x.dtype() || v.dtype() == statistics.dtype, op, name, " is ", v.dtype(), " and x ", x.dtype(),
            "; convert one with .to(dtype)");
    return v.to(statistics.dtype).contiguous();
  };
  const Tensor weight = numbers("weight", weight_in), bias = numbers("bias", bias_in);
  const Tensor mean = empty({x.size(0)}, statistics), inverse = empty({x.size(0)}, statistics);
  Tensor y = empty_like(x);
  layer_norm_forward(x, weight, bias, rows, mean, inverse, y);
  const Tensor like = weight.defined() ? weight.detach() : (bias.defined() ? bias.detach() : Tensor{});
  return differentiable(op, {x, weight, bias}, y,
                        [=, x = SavedTensor(x), weight = SavedTensor(weight), mean = SavedTensor(mean),
                         inverse = SavedTensor(inverse)](const Tensor& dy_in, Needs needs) -> Tensors {
                          const Tensor dy = dy_in.contiguous();
                          Tensor dx, dweight, dbias;
                          if (needs[0]) {
                            dx = empty_like(x.get());
                            layer_norm_backward_data(x.get(), dy, mean.get(), inverse.get(), weight.get(), rows, dx);
                          }
                          if (needs[1] || needs[2]) {
                            dweight = needs[1] ? needs.gradient(1, like) : empty_like(like);
                            dbias = needs[2] ? needs.gradient(2, like) : empty_like(like);
                            layer_norm_backward_weight(x.get(), dy, mean.get(), inverse.get(), rows, dweight, dbias);
                          }
                          return {dx, dweight, dbias};
                        });
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, LayerNormOptions options) {
  require(x.defined() && is_floating(x.dtype()), "layer_norm", "x must be of a floating dtype");
  require(options.axes >= 1 && options.axes <= x.rank(), "layer_norm", "x ", x.shape(), " has no ", options.axes,
          " last axes");
  const Shape row = row_shape(x, options.axes);
  for (const Tensor* v : {&weight, &bias})
    require(!v->defined() || v->shape() == row, "layer_norm", v == &weight ? "weight" : "bias",
            " must have the shape of a row ", row, " of x ", x.shape(), ", not ", v->defined() ? v->shape() : Shape{});
  const std::int64_t columns = row.elements();
  require(columns > 0, "layer_norm", "the rows of x ", x.shape(), " are empty");
  const Tensor rows = x.contiguous().reshape({x.elements() / columns, columns});
  return normalize_rows("layer_norm", rows, weight, bias, {.eps = options.eps}).reshape(x.shape());
}

}  // namespace weft
