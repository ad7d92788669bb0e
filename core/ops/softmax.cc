#include "core/ops/softmax.h"

#include "core/autocast.h"
#include "core/autograd.h"

namespace weft {
namespace {

Cost forward_cost(const Tensor& x, const Tensor& y) {
  return {0, 5.0 * static_cast<double>(x.elements()), static_cast<double>(x.bytes() + y.bytes())};
}
Cost backward_cost(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  return {0, 4.0 * static_cast<double>(y.elements()), static_cast<double>(y.bytes() + dy.bytes() + dx.bytes())};
}

using ForwardSlot = KernelSlot<void(const Tensor&, const Tensor&)>;
using BackwardSlot = KernelSlot<void(const Tensor&, const Tensor&, const Tensor&)>;

// Runs the slots along the axis: swaps it with the last one before and after.
Tensor along_axis(const char* op, const ForwardSlot& forward, const BackwardSlot& backward, const Tensor& x_in,
                  int axis) {
  require(x_in.rank() >= 1, op, "x must have at least one axis, not ", x_in.shape());
  axis = normalize_axis(axis, x_in.rank(), op);
  if (axis != x_in.rank() - 1)
    return along_axis(op, forward, backward, x_in.transpose(axis, -1), -1).transpose(axis, -1);
  const Tensor x = x_in.contiguous();
  Tensor y = empty_like(x);
  forward(x, y);
  return differentiable(op, {x}, y, [y = SavedTensor(y), &backward](const Tensor& dy, Needs) -> Tensors {
    Tensor dx = empty_like(y.get());
    backward(y.get(), dy.contiguous(), dx);
    return {dx};
  });
}

}  // namespace

constinit ForwardSlot softmax_forward{"softmax_forward", forward_cost};
constinit BackwardSlot softmax_backward{"softmax_backward", backward_cost};
constinit ForwardSlot log_softmax_forward{"log_softmax_forward", forward_cost};
constinit BackwardSlot log_softmax_backward{"log_softmax_backward", backward_cost};

Tensor softmax(const Tensor& x, int axis) {
  return along_axis("softmax", softmax_forward, softmax_backward, autocast(Policy::full, x), axis);
}

Tensor log_softmax(const Tensor& x, int axis) {
  return along_axis("log_softmax", log_softmax_forward, log_softmax_backward, autocast(Policy::full, x), axis);
}

}  // namespace weft
