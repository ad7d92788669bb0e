#include "soft_sign.h"

#include <weft/core/autograd.h>
#include <weft/core/kernel_slot.h>
#include <weft/core/parallel.h>

#include <cmath>

namespace consumer {
namespace {

using weft::Tensor;

constinit weft::KernelSlot<void(const Tensor& x, const Tensor& y)> soft_sign_forward{"soft_sign_forward"};
constinit weft::KernelSlot<void(const Tensor& x, const Tensor& dy, const Tensor& dx)> soft_sign_backward{
    "soft_sign_backward"};

void forward(const Tensor& x, const Tensor& y) {
  const float* from = x.data<float>();
  float* to = y.data<float>();
  weft::parallel_for(x.elements(), 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) to[i] = from[i] / (1 + std::abs(from[i]));
  });
}

// dy/dx = 1 / (1 + |x|)^2
void backward(const Tensor& x, const Tensor& dy, const Tensor& dx) {
  const float *from = x.data<float>(), *slope = dy.data<float>();
  float* to = dx.data<float>();
  weft::parallel_for(x.elements(), 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) to[i] = slope[i] / ((1 + std::abs(from[i])) * (1 + std::abs(from[i])));
  });
}

const bool registered[] = {
    soft_sign_forward.add({.device = weft::DeviceKind::cpu, .name = "own.loop", .rank = 10, .run = forward}),
    soft_sign_backward.add({.device = weft::DeviceKind::cpu, .name = "own.loop", .rank = 10, .run = backward}),
};

}  // namespace

Tensor soft_sign(const Tensor& x_in) {
  const Tensor x = x_in.contiguous();
  Tensor y = empty_like(x);
  soft_sign_forward(x, y);
  return differentiable("soft_sign", {x}, y, [x = weft::SavedTensor(x)](const Tensor& dy, weft::Needs) {
    Tensor dx = empty_like(x.get());
    soft_sign_backward(x.get(), dy.contiguous(), dx);
    return weft::Tensors{dx};
  });
}

}  // namespace consumer
