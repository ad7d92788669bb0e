// Updates of parameters over flat ranges of memory: one call changes a whole arena. Learning rate and step number are
// read from a tensor on the device, so that a recorded step can be replayed with other values. Nothing here waits, and
// nothing takes part in a graph.
#pragma once

#include "core/kernel_slot.h"

namespace weft {

struct SGDUpdate {
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;
};

// With d = gradients + weight_decay * values: momentum = o.momentum * momentum + d; values -= lr * momentum, or
// lr * (d + o.momentum * momentum) for nesterov; momentum is undefined when o.momentum is 0 and values -= lr * d.
// All (n,), dense, of one floating dtype; 16-bit floats are computed in f32. dynamics (2,) f64: learning rate and the
// number of this step, from 1. A learning rate of NaN changes nothing at all: so a step is skipped on the device.
WEFT_API void sgd_update(const Tensor& values, const Tensor& gradients, const Tensor& momentum, const Tensor& dynamics,
                         SGDUpdate options);

struct AdamUpdate {
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;  // AdamW: values shrink by (1 - lr * weight_decay); else the decay joins the gradient
};

// mean = beta1 mean + (1 - beta1) g; mean_square = beta2 mean_square + (1 - beta2) g²;
// values -= lr / (1 - beta1^step) * mean / (√(mean_square / (1 - beta2^step)) + eps). Operands as above.
WEFT_API void adam_update(const Tensor& values, const Tensor& gradients, const Tensor& mean, const Tensor& mean_square,
                          const Tensor& dynamics, AdamUpdate options);

// Scales all tensors together so that their common Euclidean norm is at most max_norm; returns the norm before, a
// scalar f64 on their device. Tensors (n,), dense, on one device. Norms are summed in f64 in an order that depends on
// n only. A norm that is NaN or infinite scales nothing, so that whoever looks at it finds what went wrong.
WEFT_API Tensor clip_by_norm(std::span<const Tensor> tensors, double max_norm);
// min(max(x, -bound), bound) in place; NaN stays.
WEFT_API void clip_by_value(const Tensor& x, double bound);

extern WEFT_API KernelSlot<void(const Tensor& gradients, const Tensor& dynamics, SGDUpdate options,
                                const Tensor& momentum, const Tensor& values)>
    sgd_step;
extern WEFT_API KernelSlot<void(const Tensor& gradients, const Tensor& dynamics, AdamUpdate options, const Tensor& mean,
                                const Tensor& mean_square, const Tensor& values)>
    adam_step;
// y () f64 = the sum of squares of x.
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& y)> square_sum;
// y () f64 = √ of the sum of squares (m,) f64.
extern WEFT_API KernelSlot<void(const Tensor& squares, const Tensor& y)> root_of_sum;
// x *= max_norm / norm where norm () f64 is finite and larger than max_norm.
extern WEFT_API KernelSlot<void(const Tensor& norm, double max_norm, const Tensor& x)> scale_to_norm;
extern WEFT_API KernelSlot<void(double bound, const Tensor& x)> clamp_values;

}  // namespace weft
