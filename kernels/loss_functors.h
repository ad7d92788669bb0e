// Elementwise losses shared by CPU and CUDA: value(x, target, delta), and the derivatives to x and to target.
#pragma once

#include "core/ops/loss.h"
#include "kernels/functors.h"

namespace weft::functors {

template <typename C>
WEFT_HOST_DEVICE C sign_of(C x) {
  return static_cast<C>(x > 0) - static_cast<C>(x < 0);
}

// Losses of the difference d = x - target: the derivative to target is minus that to x.
template <LossKind Kind, typename C>
WEFT_HOST_DEVICE C difference_loss(C d, [[maybe_unused]] C delta) {
  const C size = d < 0 ? -d : d;
  if constexpr (Kind == LossKind::squared) return d * d / 2;
  if constexpr (Kind == LossKind::mse) return d * d;
  if constexpr (Kind == LossKind::l1) return size;
  if constexpr (Kind == LossKind::huber) return size <= delta ? d * d / 2 : delta * (size - delta / 2);
}
template <LossKind Kind, typename C>
WEFT_HOST_DEVICE C difference_slope(C d, [[maybe_unused]] C delta) {
  if constexpr (Kind == LossKind::squared) return d;
  if constexpr (Kind == LossKind::mse) return 2 * d;
  if constexpr (Kind == LossKind::l1) return sign_of(d);
  if constexpr (Kind == LossKind::huber) return d < -delta ? -delta : d > delta ? delta : d;
}

template <LossKind Kind, typename C>
WEFT_HOST_DEVICE C loss_value(C x, C target, C delta) {
  if constexpr (Kind == LossKind::binary_cross_entropy)
    return (x > 0 ? x : C(0)) - x * target + log(C(1) + exp(x < 0 ? x : -x));
  else
    return difference_loss<Kind>(x - target, delta);
}
template <LossKind Kind, typename C>
WEFT_HOST_DEVICE C loss_slope(C x, C target, C delta) {
  if constexpr (Kind == LossKind::binary_cross_entropy)
    return sigmoid(x) - target;
  else
    return difference_slope<Kind>(x - target, delta);
}
template <LossKind Kind, typename C>
WEFT_HOST_DEVICE C loss_target_slope(C x, C target, C delta) {
  if constexpr (Kind == LossKind::binary_cross_entropy)
    return -x;
  else
    return -difference_slope<Kind>(x - target, delta);
}

}  // namespace weft::functors
