#include "core/ops/dropout.h"

#include "core/autograd.h"
#include "core/ops/elementwise.h"

namespace weft {
namespace {

Cost dropout_cost(double, RandomStream, const Tensor& x, const Tensor& y) {
  return {.flops = double(y.elements()), .bytes = double(x.bytes()) + double(y.bytes())};
}

}  // namespace

constinit KernelSlot<void(double, RandomStream, const Tensor&, const Tensor&)> dropout_forward{"dropout_forward",
                                                                                               dropout_cost};

Tensor dropout(const Tensor& x, double p, RandomStream stream) {
  require(x.defined(), "dropout", "the operand is undefined");
  require(p >= 0 && p <= 1, "dropout", "p must be in [0, 1], got ", p);
  if (!is_floating(x.dtype())) refuse_dtype(x.dtype(), "dropout", "f32, f64, f16 or bf16");
  if (p == 0) return x;
  if (p == 1) return where(full({}, 1, {DType::boolean, x.device()}), zeros({}, {x.dtype(), x.device()}), x);
  Tensor y = empty_like(x);
  dropout_forward(p, stream, x, y);
  return differentiable("dropout", {x}, y, [p, stream](const Tensor& dy, Needs) {
    Tensor dx = empty_like(dy);
    dropout_forward(p, stream, dy, dx);
    return Tensors{dx};
  });
}

}  // namespace weft
