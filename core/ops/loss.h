// Losses: cross-entropy over classes, and the elementwise losses between a prediction and a target of the same shape.
// All are fused: one kernel forward, one backward. A loss is reduced to its mean by default.
#pragma once

#include <cstdint>

#include "core/kernel_slot.h"

namespace weft {

enum class Reduction : std::uint8_t { none, mean, sum };

struct CrossEntropyOptions {
  double label_smoothing = 0;  // e in [0, 1]: the target becomes (1 - e) * target + e / K
  Reduction reduction = Reduction::mean;
};

// -sum over k of target_k * log softmax(logits)_k: the negative log-likelihood of the target, through log-sum-exp
// (Goodfellow et al., Deep Learning, 6.2.2; label smoothing: Szegedy et al. 2015, section 7).
// logits (N, K) or (N, K, …), any floating dtype; target: class indices (N) or (N, …) of an integer dtype, or
// probabilities of the shape and dtype of logits. none: (N) or (N, …); mean over all of those; sum. The gradient goes
// to logits only. An index outside [0, K) is Error(data) that names it and its position.
WEFT_API Tensor cross_entropy(const Tensor& logits, const Tensor& target, CrossEntropyOptions options = {});

// With d = x - target, same shape and dtype; gradients go to both.
WEFT_API Tensor squared_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean);  // d^2 / 2
WEFT_API Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean);      // d^2
WEFT_API Tensor l1_loss(const Tensor& x, const Tensor& target,
                        Reduction reduction = Reduction::mean);  // |d|, gradient 0 at 0
// d^2 / 2 where |d| <= delta, delta * (|d| - delta / 2) beyond (Huber 1964).
WEFT_API Tensor huber_loss(const Tensor& x, const Tensor& target, double delta = 1,
                           Reduction reduction = Reduction::mean);
// -(target * log s + (1 - target) * log(1 - s)) with s = sigmoid(x), written so that no x overflows.
WEFT_API Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target,
                                                 Reduction reduction = Reduction::mean);

// logits (N, K) dense; target (N) of an integer dtype or (N, K) of logits' dtype, dense; loss () or, for none, (N);
// normalizer (N, 2) holds each row's maximum m and log(sum(exp(logits - m))) for backward, f32 (f64 for f64).
extern WEFT_API KernelSlot<void(const Tensor& logits, const Tensor& target, CrossEntropyOptions options,
                                const Tensor& loss, const Tensor& normalizer)>
    cross_entropy_forward;
// dlogits = dloss * (softmax(logits) * sum(target) - target), target smoothed; dloss () or, for none, (N), dense.
extern WEFT_API KernelSlot<void(const Tensor& logits, const Tensor& target, const Tensor& normalizer,
                                CrossEntropyOptions options, const Tensor& dloss, const Tensor& dlogits)>
    cross_entropy_backward;

enum class LossKind : std::uint8_t { squared, mse, l1, huber, binary_cross_entropy };
struct ElementLoss {
  LossKind kind = LossKind::squared;
  double delta = 1;  // huber
  Reduction reduction = Reduction::mean;
};
// x and target dense, one shape and dtype, one order of elements; loss () or, for none, like x.
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& target, ElementLoss kind, const Tensor& loss)>
    element_loss_forward;
// dx and dtarget, either may be undefined; dloss () or, for none, like x.
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& target, ElementLoss kind, const Tensor& dloss,
                                const Tensor& dx, const Tensor& dtarget)>
    element_loss_backward;

}  // namespace weft
