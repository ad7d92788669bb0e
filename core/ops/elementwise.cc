#include "core/ops/elementwise.h"

#include <cmath>
#include <limits>

#include "core/ops/reduce.h"

#include "core/autocast.h"

namespace weft {
namespace {

Cost unary_cost(Unary, Scalars, const Tensor& x, const Tensor& y) {
  return {.flops = double(y.elements()), .bytes = double(x.bytes()) + double(y.bytes())};
}
Cost unary_backward_cost(Unary, Scalars, const Tensor& saved, const Tensor& dy, const Tensor& dx) {
  return {.flops = double(dx.elements()), .bytes = double(saved.bytes()) + double(dy.bytes()) + double(dx.bytes())};
}
Cost binary_cost(Binary, Scalars, const Tensor& a, const Tensor& b, const Tensor& y) {
  return {.flops = double(y.elements()), .bytes = double(a.bytes()) + double(b.bytes()) + double(y.bytes())};
}
Cost binary_backward_cost(Binary, Side, const Tensor& a, const Tensor& b, const Tensor& dy, const Tensor& dx) {
  return {.flops = double(dx.elements()),
          .bytes = double(a.bytes()) + double(b.bytes()) + double(dy.bytes()) + double(dx.bytes())};
}
Cost compare_cost(Comparison, const Tensor& a, const Tensor& b, const Tensor& y) {
  return {.flops = double(y.elements()), .bytes = double(a.bytes()) + double(b.bytes()) + double(y.bytes())};
}
Cost where_cost(const Tensor& condition, const Tensor& a, const Tensor& b, const Tensor& y) {
  return {.bytes = double(condition.bytes()) + double(a.bytes()) + double(b.bytes()) + double(y.bytes())};
}

void check_defined(const char* op, const Tensor& x) { require(x.defined(), op, "an operand is undefined"); }

void check_operands(const char* op, const Tensor& a, const Tensor& b) {
  check_defined(op, a);
  check_defined(op, b);
  require(a.dtype() == b.dtype(), op, "operands have different dtypes, ", a.dtype(), " and ", b.dtype(),
          "; convert one with .to(DType)");
  require(a.device() == b.device(), op, "operands are on ", a.device(), " and ", b.device(),
          "; move one with .to(device)");
}

bool same_dense(const Tensor& a, const Tensor& b) {
  return a.format() == b.format() && a.layout().dense() && b.layout().dense() && a.shape() == b.shape();
}

// The format of a result of that shape: channels-last when an operand of the shape is.
MemoryFormat result_format(const Shape& shape, const Tensor& a, const Tensor& b) {
  const bool last = (a.channels_last() && a.shape() == shape) || (b.channels_last() && b.shape() == shape);
  return last ? MemoryFormat::channels_last : MemoryFormat::contiguous;
}

Tensor empty_result(const char* op, const Tensor& a, const Tensor& b, DType dtype) {
  const Shape shape = broadcast_shapes(a.shape(), b.shape(), op);
  return empty(shape, {dtype, a.device(), result_format(shape, a, b)});
}

// Memory for f(a, b), in the operands' dtype.
Tensor like_operands(const char* op, const Tensor& a, const Tensor& b) {
  return same_dense(a, b) ? empty_like(a) : empty_result(op, a, b, a.dtype());
}

bool wants_graph(const Tensor& a, const Tensor& b) {
  const Tensor* const inputs[] = {&a, &b};
  return weft::wants_graph(inputs);
}

// Keeps x for backward only where somebody will read it.
SavedTensor saved_if(bool needed, const Tensor& x) { return needed ? SavedTensor(x) : SavedTensor(); }

// f(a, b) on operands of one dtype, where mixed precision has let two meet.
using BinaryOp = Tensor (*)(const Tensor&, const Tensor&);
Tensor with_one_dtype(BinaryOp f, const Tensor& a, const Tensor& b) {
  const Tensors both = autocast_alike({a, b});
  return f(both[0], both[1]);
}

// A number that is to be combined with x must be representable there.
void check_scalar(const char* op, const Tensor& x, double value) {
  check_defined(op, x);
  require(is_floating(x.dtype()) || (value == std::floor(value) && std::fabs(value) <= 0x1p62), op, "x is ", x.dtype(),
          ", which cannot hold ", value, "; convert with .to(DType)");
}
void check_numeric(const char* op, const Tensor& x) {
  check_defined(op, x);
  if (x.dtype() == DType::boolean) [[unlikely]]
    refuse_dtype(x.dtype(), op, "a number");
}
void check_floating(const char* op, const Tensor& x) {
  check_defined(op, x);
  if (!is_floating(x.dtype())) [[unlikely]]
    refuse_dtype(x.dtype(), op, "f32, f64, f16 or bf16");
}

enum class Save : std::uint8_t { nothing, input, output };

// y = f(x) with its gradient; `keep` says what unary_backward reads.
Tensor unary(const char* op, Unary f, Scalars scalars, const Tensor& x, Save keep) {
  Tensor y = empty_like(x);
  unary_forward(f, scalars, x, y);
  const Tensor* const inputs[] = {&x};
  if (!weft::wants_graph(inputs)) return y;
  return differentiable(
      op, {x}, y,
      [=, saved = saved_if(keep != Save::nothing, keep == Save::output ? y : x)](const Tensor& dy, Needs) -> Tensors {
        const Tensor dx = reused_gradient(dy, dy);
        unary_backward(f, scalars, saved.defined() ? saved.get() : dy, dy, dx);
        return {dx};
      });
}
Tensor unary_floating(const char* op, Unary f, Scalars scalars, const Tensor& x, Save keep) {
  check_floating(op, x);
  return unary(op, f, scalars, x, keep);
}
Tensor unary_numeric(const char* op, Unary f, Scalars scalars, const Tensor& x, Save keep) {
  check_numeric(op, x);
  return unary(op, f, scalars, x, keep);
}
// f(x, value) where the number stands for a second operand.
Tensor with_scalar(const char* op, Unary f, const Tensor& x, double value, Save keep) {
  check_scalar(op, x, value);
  return unary_numeric(op, f, {value}, x, keep);
}

// y = f(a, b) without history.
Tensor binary(const char* op, Binary f, const Tensor& a, const Tensor& b) {
  check_operands(op, a, b);
  if (a.dtype() == DType::boolean) [[unlikely]]
    refuse_dtype(a.dtype(), op, "a number");
  Tensor y = like_operands(op, a, b);
  binary_forward(f, {}, a, b, y);
  return y;
}
// y = f(a, b) with the gradients of kernels/functors.h, which read both operands.
Tensor binary_differentiable(const char* op, Binary f, const Tensor& a, const Tensor& b) {
  Tensor y = binary(op, f, a, b);
  if (!wants_graph(a, b)) return y;
  return differentiable(op, {a, b}, y, [f, a = SavedTensor(a), b = SavedTensor(b)](const Tensor& dy, Needs needs) {
    Tensors dxs(2);
    for (const Side side : {Side::left, Side::right}) {
      const int i = static_cast<int>(side);
      if (!needs[i]) continue;
      const Tensor dx = empty_like(dy);
      binary_backward(f, side, a.get(), b.get(), dy, dx);
      dxs[static_cast<std::size_t>(i)] = sum_to(dx, (i == 0 ? a : b).get().shape());
    }
    return dxs;
  });
}

Tensor compare(const char* op, Comparison f, const Tensor& a, const Tensor& b) {
  check_operands(op, a, b);
  Tensor y = empty_result(op, a, b, DType::boolean);
  compare_forward(f, a, b, y);
  return y;
}
Tensor compare(const char* op, Comparison f, const Tensor& a, double b) {
  check_scalar(op, a, b);
  return compare(op, f, a, full({}, b, {a.dtype(), a.device()}));
}

// Checks of y op= x; x must not widen y.
void check_in_place(const char* op, const Tensor& y, const Tensor& x) {
  check_operands(op, y, x);
  check_numeric(op, y);
  require(same_dense(y, x) || broadcast_shapes(y.shape(), x.shape(), op) == y.shape(), op, "x ", x.shape(),
          " does not fit into y ", y.shape());
  begin_in_place(op, y);
}

}  // namespace

constinit KernelSlot<void(Unary, Scalars, const Tensor&, const Tensor&)> unary_forward{"unary_forward", unary_cost};
constinit KernelSlot<void(Unary, Scalars, const Tensor&, const Tensor&, const Tensor&)> unary_backward{
    "unary_backward", unary_backward_cost};
constinit KernelSlot<void(Binary, Scalars, const Tensor&, const Tensor&, const Tensor&)> binary_forward{
    "binary_forward", binary_cost};
constinit KernelSlot<void(Binary, Side, const Tensor&, const Tensor&, const Tensor&, const Tensor&)> binary_backward{
    "binary_backward", binary_backward_cost};
constinit KernelSlot<void(Comparison, const Tensor&, const Tensor&, const Tensor&)> compare_forward{"compare_forward",
                                                                                                    compare_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&)> where_forward{"where_forward",
                                                                                                     where_cost};

// --- arithmetic ------------------------------------------------------------------------------------------------------

Tensor add(const Tensor& a, const Tensor& b) {
  if (autocast_differ(a, b)) [[unlikely]]
    return with_one_dtype(add, a, b);
  Tensor y = binary("add", Binary::add, a, b);
  if (!wants_graph(a, b)) return y;
  return differentiable("add", {a, b}, y, [sa = a.shape(), sb = b.shape()](const Tensor& dy, Needs needs) {
    return Tensors{needs[0] ? sum_to(dy, sa) : Tensor{}, needs[1] ? sum_to(dy, sb) : Tensor{}};
  });
}

Tensor sub(const Tensor& a, const Tensor& b) {
  if (autocast_differ(a, b)) [[unlikely]]
    return with_one_dtype(sub, a, b);
  Tensor y = binary("sub", Binary::sub, a, b);
  if (!wants_graph(a, b)) return y;
  return differentiable("sub", {a, b}, y, [sa = a.shape(), sb = b.shape()](const Tensor& dy, Needs needs) {
    return Tensors{needs[0] ? sum_to(dy, sa) : Tensor{}, needs[1] ? neg(sum_to(dy, sb)) : Tensor{}};
  });
}

Tensor mul(const Tensor& a, const Tensor& b) {
  if (autocast_differ(a, b)) [[unlikely]]
    return with_one_dtype(mul, a, b);
  Tensor y = binary("mul", Binary::mul, a, b);
  if (!wants_graph(a, b)) return y;
  return differentiable("mul", {a, b}, y,
                        [sa = a.shape(), sb = b.shape(), saved_a = saved_if(b.requires_grad(), a),
                         saved_b = saved_if(a.requires_grad(), b)](const Tensor& dy, Needs needs) {
                          return Tensors{needs[0] ? sum_to(mul(dy, saved_b.get()), sa) : Tensor{},
                                         needs[1] ? sum_to(mul(dy, saved_a.get()), sb) : Tensor{}};
                        });
}

Tensor div(const Tensor& a, const Tensor& b) {
  if (autocast_differ(a, b)) [[unlikely]]
    return with_one_dtype(div, a, b);
  check_floating("div", a);
  return binary_differentiable("div", Binary::div, a, b);
}
Tensor pow(const Tensor& a, const Tensor& b) {
  if (autocast_differ(a, b)) [[unlikely]]
    return with_one_dtype(pow, a, b);
  check_floating("pow", a);
  return binary_differentiable("pow", Binary::pow, a, b);
}
Tensor maximum(const Tensor& a, const Tensor& b) {
  if (autocast_differ(a, b)) [[unlikely]]
    return with_one_dtype(maximum, a, b);
  return binary_differentiable("maximum", Binary::maximum, a, b);
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  if (autocast_differ(a, b)) [[unlikely]]
    return with_one_dtype(minimum, a, b);
  return binary_differentiable("minimum", Binary::minimum, a, b);
}

Tensor add_relu(const Tensor& a, const Tensor& b) {
  if (autocast_differ(a, b)) [[unlikely]]
    return with_one_dtype(add_relu, a, b);
  Tensor y = binary("add_relu", Binary::add_relu, a, b);
  if (!wants_graph(a, b)) return y;
  return differentiable("add_relu", {a, b}, y,
                        [sa = a.shape(), sb = b.shape(), y = SavedTensor(y)](const Tensor& dy, Needs needs) {
                          const Tensor dz = reused_gradient(dy, dy);
                          unary_backward(Unary::relu, {}, y.get(), dy, dz);
                          return Tensors{needs[0] ? sum_to(dz, sa) : Tensor{}, needs[1] ? sum_to(dz, sb) : Tensor{}};
                        });
}

Tensor add(const Tensor& a, double b) { return with_scalar("add", Unary::add_scalar, a, b, Save::nothing); }
Tensor sub(const Tensor& a, double b) { return with_scalar("sub", Unary::add_scalar, a, -b, Save::nothing); }
Tensor sub(double a, const Tensor& b) { return with_scalar("sub", Unary::scalar_sub, b, a, Save::nothing); }
Tensor mul(const Tensor& a, double b) { return with_scalar("mul", Unary::mul_scalar, a, b, Save::nothing); }
Tensor div(const Tensor& a, double b) { return unary_floating("div", Unary::div_scalar, {b}, a, Save::nothing); }
Tensor div(double a, const Tensor& b) { return unary_floating("div", Unary::scalar_div, {a}, b, Save::input); }
Tensor pow(const Tensor& a, double b) {
  check_floating("pow", a);
  if (b == 2) return square(a);
  if (b == 0.5) return sqrt(a);
  return unary("pow", Unary::pow_scalar, {b}, a, Save::input);
}
Tensor pow(double a, const Tensor& b) { return unary_floating("pow", Unary::scalar_pow, {a}, b, Save::output); }
Tensor maximum(const Tensor& a, double b) { return with_scalar("maximum", Unary::maximum_scalar, a, b, Save::input); }
Tensor minimum(const Tensor& a, double b) { return with_scalar("minimum", Unary::minimum_scalar, a, b, Save::input); }

// --- functions of one tensor -----------------------------------------------------------------------------------------

Tensor neg(const Tensor& x) { return unary_numeric("neg", Unary::neg, {}, x, Save::nothing); }
Tensor abs(const Tensor& x) { return unary_numeric("abs", Unary::abs, {}, x, Save::input); }
Tensor exp(const Tensor& x) { return unary_floating("exp", Unary::exp, {}, x, Save::output); }
Tensor log(const Tensor& x) { return unary_floating("log", Unary::log, {}, x, Save::input); }
Tensor sqrt(const Tensor& x) { return unary_floating("sqrt", Unary::sqrt, {}, x, Save::output); }
Tensor square(const Tensor& x) { return unary_numeric("square", Unary::square, {}, x, Save::input); }
Tensor sigmoid(const Tensor& x) { return unary_floating("sigmoid", Unary::sigmoid, {}, x, Save::output); }
Tensor tanh(const Tensor& x) { return unary_floating("tanh", Unary::tanh, {}, x, Save::output); }
Tensor relu(const Tensor& x) { return unary_numeric("relu", Unary::relu, {}, x, Save::output); }
Tensor leaky_relu(const Tensor& x, double slope) {
  return unary_floating("leaky_relu", Unary::leaky_relu, {slope}, x, Save::input);
}
Tensor elu(const Tensor& x, double alpha) {
  require(alpha >= 0, "elu", "alpha must not be negative, got ", alpha);
  return unary_floating("elu", Unary::elu, {alpha}, x, Save::output);
}
Tensor gelu(const Tensor& x, Gelu form) {
  return unary_floating("gelu", form == Gelu::erf ? Unary::gelu : Unary::gelu_tanh, {}, x, Save::input);
}
Tensor silu(const Tensor& x) { return unary_floating("silu", Unary::silu, {}, x, Save::input); }
Tensor softplus(const Tensor& x, double beta, double threshold) {
  require(beta != 0, "softplus", "beta must not be 0");
  return unary_floating("softplus", Unary::softplus, {beta, threshold}, x, Save::input);
}
Tensor hardswish(const Tensor& x) { return unary_floating("hardswish", Unary::hardswish, {}, x, Save::input); }
Tensor clamp(const Tensor& x, double low, double high) {
  require(low <= high, "clamp", "low ", low, " is above high ", high);
  check_scalar("clamp", x, low);
  check_scalar("clamp", x, high);
  return unary_numeric("clamp", Unary::clamp, {low, high}, x, Save::input);
}

// --- comparison and selection ----------------------------------------------------------------------------------------

Tensor equal(const Tensor& a, const Tensor& b) { return compare("equal", Comparison::equal, a, b); }
Tensor equal(const Tensor& a, double b) { return compare("equal", Comparison::equal, a, b); }
Tensor not_equal(const Tensor& a, const Tensor& b) { return compare("not_equal", Comparison::not_equal, a, b); }
Tensor not_equal(const Tensor& a, double b) { return compare("not_equal", Comparison::not_equal, a, b); }
Tensor less(const Tensor& a, const Tensor& b) { return compare("less", Comparison::less, a, b); }
Tensor less(const Tensor& a, double b) { return compare("less", Comparison::less, a, b); }
Tensor less_equal(const Tensor& a, const Tensor& b) { return compare("less_equal", Comparison::less_equal, a, b); }
Tensor less_equal(const Tensor& a, double b) { return compare("less_equal", Comparison::less_equal, a, b); }
Tensor greater(const Tensor& a, const Tensor& b) { return compare("greater", Comparison::greater, a, b); }
Tensor greater(const Tensor& a, double b) { return compare("greater", Comparison::greater, a, b); }
Tensor greater_equal(const Tensor& a, const Tensor& b) {
  return compare("greater_equal", Comparison::greater_equal, a, b);
}
Tensor greater_equal(const Tensor& a, double b) { return compare("greater_equal", Comparison::greater_equal, a, b); }

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  check_operands("where", a, b);
  check_defined("where", condition);
  require(condition.dtype() == DType::boolean, "where", "condition must be boolean, got ", condition.dtype());
  const Shape shape = broadcast_shapes(condition.shape(), broadcast_shapes(a.shape(), b.shape(), "where"), "where");
  Tensor y = empty(shape, {a.dtype(), a.device(), result_format(shape, a, b)});
  where_forward(condition, a, b, y);
  if (!wants_graph(a, b)) return y;
  return differentiable("where", {a, b}, y,
                        [sa = a.shape(), sb = b.shape(), c = SavedTensor(condition)](const Tensor& dy, Needs needs) {
                          const Tensor zero = zeros({}, {dy.dtype(), dy.device()});
                          return Tensors{needs[0] ? sum_to(where(c.get(), dy, zero), sa) : Tensor{},
                                         needs[1] ? sum_to(where(c.get(), zero, dy), sb) : Tensor{}};
                        });
}

// --- in place --------------------------------------------------------------------------------------------------------

const Tensor& add_(const Tensor& y, const Tensor& x, double scale) {
  check_in_place("add_", y, x);
  check_scalar("add_", y, scale);
  binary_forward(scale == 1 ? Binary::add : Binary::add_scaled, {scale}, y, x, y);
  differentiable("add_", {y, x}, y, [scale, sx = x.shape()](const Tensor& dy, Needs needs) {
    return Tensors{dy, needs[1] ? mul(sum_to(dy, sx), scale) : Tensor{}};
  });
  end_in_place("add_", y);
  return y;
}

const Tensor& mul_(const Tensor& y, const Tensor& x) {
  require(!(wants_graph(y, x) && x.requires_grad()), "mul_", "x wants a gradient, which needs the y that is ",
          "overwritten; use mul");
  check_in_place("mul_", y, x);
  const SavedTensor saved = saved_if(wants_graph(y, x), x);
  binary_forward(Binary::mul, {}, y, x, y);
  differentiable("mul_", {y, x}, y, [saved](const Tensor& dy, Needs) {
    return Tensors{mul(dy, saved.get()), Tensor{}};
  });
  end_in_place("mul_", y);
  return y;
}

const Tensor& mul_(const Tensor& y, double x) {
  check_scalar("mul_", y, x);
  check_numeric("mul_", y);
  begin_in_place("mul_", y);
  unary_forward(Unary::mul_scalar, {x}, y, y);
  differentiable("mul_", {y}, y, [x](const Tensor& dy, Needs) { return Tensors{mul(dy, x)}; });
  end_in_place("mul_", y);
  return y;
}

const Tensor& relu_(const Tensor& x) {
  check_numeric("relu_", x);
  begin_in_place("relu_", x);
  unary_forward(Unary::relu, {}, x, x);
  end_in_place("relu_", x);  // before the result is saved, so that the saved version is the new one
  const Tensor* const inputs[] = {&x};
  if (!weft::wants_graph(inputs)) return x;
  differentiable("relu_", {x}, x, [y = SavedTensor(x)](const Tensor& dy, Needs) {
    const Tensor dx = reused_gradient(dy, dy);
    unary_backward(Unary::relu, {}, y.get(), dy, dx);
    return Tensors{dx};
  });
  return x;
}

}  // namespace weft
