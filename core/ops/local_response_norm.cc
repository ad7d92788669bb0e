#include "core/ops/local_response_norm.h"

#include "core/autograd.h"

namespace weft {
namespace {

// A square, a sum and a power per element; the backward pass has two sums.
Cost forward_cost(const Tensor& x, LocalResponseNormOptions o, const Tensor& y) {
  return {0, static_cast<double>(x.elements()) * (o.size + 5), static_cast<double>(x.bytes() + y.bytes())};
}
Cost backward_cost(const Tensor& x, const Tensor& dy, LocalResponseNormOptions o, const Tensor& dx) {
  return {0, static_cast<double>(x.elements()) * (2 * o.size + 10),
          static_cast<double>(x.bytes() + dy.bytes() + dx.bytes())};
}

}  // namespace

constinit KernelSlot<void(const Tensor&, LocalResponseNormOptions, const Tensor&)> local_response_norm_forward{
    "local_response_norm_forward", forward_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, LocalResponseNormOptions, const Tensor&)>
    local_response_norm_backward{"local_response_norm_backward", backward_cost};

Tensor local_response_norm(const Tensor& x_in, LocalResponseNormOptions options) {
  constexpr const char* op = "local_response_norm";
  require(x_in.rank() == 4, op, "x must be (N, C, H, W), not ", x_in.shape());
  require(options.size >= 1 && options.k > 0 && options.alpha >= 0 && options.beta >= 0, op,
          "needs size >= 1, k > 0, alpha >= 0 and beta >= 0, got size ", options.size, ", k ", options.k, ", alpha ",
          options.alpha, ", beta ", options.beta);
  const Tensor x = x_in.format() == MemoryFormat::strided ? x_in.contiguous() : x_in;
  Tensor y = empty_like(x);
  local_response_norm_forward(x, options, y);
  return differentiable(op, {x}, y, [x = SavedTensor(x), options](const Tensor& dy, Needs) -> Tensors {
    Tensor dx = empty_like(x.get());
    local_response_norm_backward(x.get(), dy.to(x.get().format()), options, dx);
    return {dx};
  });
}

}  // namespace weft
