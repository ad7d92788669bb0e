#include "core/ops/matmul.h"

#include "core/autocast.h"
#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "core/ops/reduce.h"

namespace weft {
namespace {

Cost product_cost(double batch, double m, double n, double k, std::size_t element_bytes) {
  const double macs = batch * m * n * k;
  return {macs, 2 * macs, batch * (m * k + k * n + m * n) * static_cast<double>(element_bytes)};
}
Cost matmul_cost(const Tensor& a, const Tensor& b, const Tensor& y) {
  const double m = static_cast<double>(a.size(-2)), k = static_cast<double>(a.size(-1));
  const double n = static_cast<double>(b.size(-1));
  return product_cost(m * n > 0 ? static_cast<double>(y.elements()) / (m * n) : 0, m, n, k, bytes_of(a.dtype()));
}
Cost linear_cost(const Tensor& x, const Tensor& weight, const Tensor&, const Tensor&) {
  return product_cost(1, static_cast<double>(x.size(0)), static_cast<double>(weight.size(0)),
                      static_cast<double>(weight.size(1)), bytes_of(x.dtype()));
}
Cost linear_gelu_cost(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& z, const Tensor& y) {
  Cost cost = linear_cost(x, weight, bias, y);
  if (z.defined()) cost.bytes += static_cast<double>(z.bytes());
  return cost;
}
Cost weight_cost(const Tensor& x, const Tensor& dy, const Tensor&, const Tensor&) {
  return product_cost(1, static_cast<double>(dy.size(1)), static_cast<double>(x.size(1)),
                      static_cast<double>(x.size(0)), bytes_of(x.dtype()));
}

// The shape of the axes in front of the last two.
Shape batch_of(const Shape& shape) { return Shape(std::span(shape.begin(), shape.end() - 2)); }

// x with its batch axes expanded to `batch`; no copy.
Tensor with_batch(const Tensor& x, const Shape& batch) {
  if (batch.rank() + 2 == x.rank() && batch_of(x.shape()) == batch) return x;
  Shape shape = batch;
  shape.push_back(x.size(-2));
  shape.push_back(x.size(-1));
  return x.detach().expand(shape);
}

Tensor product(const Tensor& a, const Tensor& b) {
  const Shape batch =
      a.rank() == 2 && b.rank() == 2 ? Shape{} : broadcast_shapes(batch_of(a.shape()), batch_of(b.shape()), "matmul");
  Shape shape = batch;
  shape.push_back(a.size(-2));
  shape.push_back(b.size(-1));
  Tensor y = empty(shape, {a.dtype(), a.device()});
  matmul_forward(with_batch(a, batch), with_batch(b, batch), y);
  return y;
}

// The bias, dense; throws where the operands of linear do not fit.
Tensor checked_bias(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  require(weight.rank() == 2, "linear", "weight must be (out, in), not ", weight.shape());
  require(x.rank() >= 1 && x.size(-1) == weight.size(1), "linear", "x ", x.shape(), " must end in ", weight.size(1),
          " features, as weight ", weight.shape(), " expects");
  require(x.dtype() == weight.dtype(), "linear", "x is ", x.dtype(), " and weight ", weight.dtype(),
          "; convert one with .to(dtype)");
  if (!bias.defined()) return bias;
  require(bias.rank() == 1 && bias.size(0) == weight.size(0) && bias.dtype() == x.dtype(), "linear", "bias must be ",
          Shape{weight.size(0)}, " of ", x.dtype(), ", not ", bias.shape(), " of ", bias.dtype());
  return bias.contiguous();
}

// The op on x with all axes but the last as rows.
Tensor over_rows(Tensor (*op)(const Tensor&, const Tensor&, const Tensor&), const Tensor& x, const Tensor& weight,
                 const Tensor& bias) {
  Shape shape = x.shape();
  shape[x.rank() - 1] = 1;
  const std::int64_t rows = shape.elements();
  shape[x.rank() - 1] = weight.size(0);
  return op(x.reshape({rows, x.size(-1)}), weight, bias).reshape(shape);
}

// What the backward of linear needs.
struct Saved {
  Saved(const Tensor& x_in, const Tensor& weight_in, const Tensor& bias_in)
      : x(x_in), weight(weight_in), bias(bias_in) {}

  Tensors gradients(const Tensor& dy, Needs needs) const {
    Tensor dx, dw, dbias;
    if (needs[0]) {
      dx = needs.gradient(0, x.get());
      matmul_forward(dy, weight.get(), dx);
    }
    if (needs[1]) dw = needs.gradient(1, weight.get());
    if (bias.defined() && needs[2]) dbias = needs.gradient(2, bias.get());
    if (dw.defined() || dbias.defined()) linear_backward_weight(x.get(), dy, dw, dbias);
    return {dx, dw, dbias};
  }

  SavedTensor x, weight, bias;
};

}  // namespace

constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&)> matmul_forward{"matmul_forward", matmul_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&)> linear_forward{"linear_forward",
                                                                                                      linear_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&)> linear_relu_forward{
    "linear_relu_forward", linear_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&)>
    linear_gelu_forward{"linear_gelu_forward", linear_gelu_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&)> linear_backward_weight{
    "linear_backward_weight", weight_cost};

Tensor matmul(const Tensor& a_in, const Tensor& b_in) {
  const Tensor a = autocast(Policy::compute, a_in), b = autocast(Policy::compute, b_in);
  require(a.rank() >= 2 && b.rank() >= 2, "matmul", "a and b must be matrices or batches of them, not ", a.shape(),
          " and ", b.shape(), "; unsqueeze a vector");
  require(a.size(-1) == b.size(-2), "matmul", "a ", a.shape(), " has ", a.size(-1), " columns but b ", b.shape(),
          " has ", b.size(-2), " rows");
  require(a.dtype() == b.dtype(), "matmul", "a is ", a.dtype(), " and b ", b.dtype(), "; convert one with .to(dtype)");
  require(a.device() == b.device(), "matmul", "a is on ", a.device(), " and b on ", b.device(),
          "; move one with .to(device)");
  return differentiable("matmul", {a, b}, product(a, b),
                        [a = SavedTensor(a), b = SavedTensor(b)](const Tensor& dy, Needs needs) -> Tensors {
                          Tensor da, db;
                          if (needs[0]) da = sum_to(product(dy, b.get().transpose()), a.get().shape());
                          if (needs[1]) db = sum_to(product(a.get().transpose(), dy), b.get().shape());
                          return {da, db};
                        });
}

Tensor linear(const Tensor& x_in, const Tensor& weight_in, const Tensor& bias_in) {
  const Tensor x = autocast(Policy::compute, x_in), weight = autocast(Policy::compute, weight_in);
  const Tensor bias = checked_bias(x, weight, autocast(Policy::compute, bias_in));
  if (x.rank() != 2) return over_rows(linear, x, weight, bias);
  Tensor y = empty({x.size(0), weight.size(0)}, {x.dtype(), x.device()});
  linear_forward(x, weight, bias, y);
  return differentiable("linear", {x, weight, bias}, y,
                        [saved = Saved(x, weight, bias)](const Tensor& dy, Needs needs) -> Tensors {
                          return saved.gradients(dy, needs);
                        });
}

Tensor linear_relu(const Tensor& x_in, const Tensor& weight_in, const Tensor& bias_in) {
  const Tensor x = autocast(Policy::compute, x_in), weight = autocast(Policy::compute, weight_in);
  const Tensor bias = checked_bias(x, weight, autocast(Policy::compute, bias_in));
  if (x.rank() != 2) return over_rows(linear_relu, x, weight, bias);
  Tensor y = empty({x.size(0), weight.size(0)}, {x.dtype(), x.device()});
  linear_relu_forward(x, weight, bias, y);
  return differentiable("linear_relu", {x, weight, bias}, y,
                        [saved = Saved(x, weight, bias), y = SavedTensor(y)](const Tensor& dy, Needs needs) -> Tensors {
                          const Tensor masked = reused_gradient(dy, y.get());  // once, for both gradients
                          unary_backward(Unary::relu, {}, y.get(), dy, masked);
                          return saved.gradients(masked, needs);
                        });
}

Tensor linear_gelu(const Tensor& x_in, const Tensor& weight_in, const Tensor& bias_in) {
  const Tensor x = autocast(Policy::compute, x_in), weight = autocast(Policy::compute, weight_in);
  const Tensor bias = checked_bias(x, weight, autocast(Policy::compute, bias_in));
  if (x.rank() != 2) return over_rows(linear_gelu, x, weight, bias);
  const Tensor* const inputs[] = {&x, &weight, &bias};
  Tensor y = empty({x.size(0), weight.size(0)}, {x.dtype(), x.device()}), z;
  if (wants_graph(inputs)) z = empty_like(y);
  linear_gelu_forward(x, weight, bias, z, y);
  return differentiable("linear_gelu", {x, weight, bias}, y,
                        [saved = Saved(x, weight, bias), z = SavedTensor(z)](const Tensor& dy, Needs needs) -> Tensors {
                          const Tensor dz = reused_gradient(dy, z.get());
                          unary_backward(Unary::gelu_tanh, {}, z.get(), dy, dz);
                          return saved.gradients(dz, needs);
                        });
}

}  // namespace weft
