// Batch normalisation (Ioffe and Szegedy, "Batch normalization", ICML 2015) of features (N, C) or images (N, C, H, W),
// alone or fused with what usually follows it. Whether a call trains or evaluates is said in its options. Keeps the
// memory format of x (a strided x is made contiguous first; addend and gradients follow x).
#pragma once

#include <span>

#include "core/kernel_slot.h"

namespace weft {

// What enters the moving variance: PyTorch's n / (n - 1) times the batch's variance, or that itself (the book's).
enum class MovingVariance : std::uint8_t { unbiased, biased };

struct BatchNormOptions {
  bool training = true;   // normalise by the batch's statistics; else by the running ones
  double momentum = 0.1;  // running = (1 - momentum) * running + momentum * batch
  double eps = 1e-5;
  MovingVariance moving = MovingVariance::unbiased;
};

// What a layer remembers of its batches: mean and variance (C,), and how many there were, an i64 scalar. All may be
// undefined in training. They are updated on their device, without waiting.
struct RunningStatistics {
  Tensor mean, variance;
  Tensor batches = {};
};

// Mean and biased variance of each channel of one batch, (C,) in f32 (f64 for f64), and how many values they are of.
struct BatchStatistics {
  Tensor mean, variance;
  std::int64_t values = 0;
  bool defined() const { return mean.defined(); }
};

// The statistics of x, without history: what batch_norm of x in training normalises by. A feature map that several
// layers normalise is read once for them: pass the answer to each.
WEFT_API BatchStatistics batch_statistics(const Tensor& x);
// The statistics of the maps side by side along the channels.
WEFT_API BatchStatistics concat(std::span<const BatchStatistics> parts);

// y = (x - mean) / sqrt(variance + eps) * weight + bias per channel. weight and bias (C,), of x's dtype, or f32 where x
// is a 16-bit float; undefined: 1 and 0. Any floating dtype; statistics in f32 (f64 for f64), exact to their last
// digits also where |mean| >> deviation. Training needs more than one value per channel; an empty x is let through and
// leaves the running statistics alone. `known`, when defined, must be batch_statistics(x): it saves reading x once more
// and changes neither the value nor the gradient, which in training flows through the statistics into x.
// Kept for backward: x and the statistics. y is written to `out` where that is defined: Note [Concat in place] in
// concat.h.
WEFT_API Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const RunningStatistics& running,
                           BatchNormOptions options, const BatchStatistics& known = {}, const Tensor& out = {});
// relu(batch_norm(x)) in one pass; backward takes the mask from y, which is kept as well.
WEFT_API Tensor batch_norm_relu(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                const RunningStatistics& running, BatchNormOptions options,
                                const BatchStatistics& known = {}, const Tensor& out = {});
// relu(batch_norm(x) + addend): the end of a residual block. addend has x's shape and dtype.
WEFT_API Tensor batch_norm_add_relu(const Tensor& x, const Tensor& addend, const Tensor& weight, const Tensor& bias,
                                    const RunningStatistics& running, BatchNormOptions options,
                                    const BatchStatistics& known = {});

// For ops with batch norm inside: checks the operands as batch_norm of x does, moves the running statistics as it
// would, and answers by what x is to be normalised, in its compute type. x contiguous or channels-last.
WEFT_API BatchStatistics normalizing_statistics(const char* op, const Tensor& x, const Tensor& weight,
                                                const Tensor& bias, const RunningStatistics& running,
                                                const BatchNormOptions& options, const BatchStatistics& known);

// In all slots images are contiguous or channels-last, all of a call alike, and channels-last ones may have a pixel
// pitch; features (N, C) are contiguous. Numbers per channel are (C,), dense, in the compute type of x. z stands for
// the value before the ReLU; where an op has none, y is undefined in the backward slots and dz = dy.

// mean and variance (biased) of x; then running = (1 - momentum) * running + momentum * batch, and batches += 1. What
// is undefined of the running statistics is passed over; x must not be empty.
extern WEFT_API KernelSlot<void(const Tensor& x, BatchNormOptions options, const Tensor& mean, const Tensor& variance,
                                const Tensor& running_mean, const Tensor& running_variance, const Tensor& batches)>
    batch_norm_statistics;
// The same update of the running statistics for a batch of n values with a known mean and variance.
extern WEFT_API KernelSlot<void(const Tensor& mean, const Tensor& variance, std::int64_t n, BatchNormOptions options,
                                const Tensor& running_mean, const Tensor& running_variance, const Tensor& batches)>
    batch_norm_running;
// mean and variance (biased) of n values per channel from their sum and the sum of their squares, f32 or f64.
extern WEFT_API KernelSlot<void(const Tensor& sum, const Tensor& squares, std::int64_t n, const Tensor& mean,
                                const Tensor& variance)>
    batch_norm_moments;
// scale = weight / sqrt(variance + eps), shift = bias - mean * scale, both of one floating dtype: z = x * scale +
// shift. weight, bias and shift may be undefined.
extern WEFT_API KernelSlot<void(const Tensor& mean, const Tensor& variance, const Tensor& weight, const Tensor& bias,
                                double eps, const Tensor& scale, const Tensor& shift)>
    batch_norm_affine;
// z = (x - mean) / sqrt(variance + eps) * weight + bias + addend; y = relu ? max(z, 0) : z. weight, bias and addend may
// be undefined.
extern WEFT_API KernelSlot<void(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight,
                                const Tensor& bias, const Tensor& addend, double eps, bool relu, const Tensor& y)>
    batch_norm_forward;
// dbias = sum of dz, dweight = sum of dz * (x - mean) / sqrt(variance + eps), dz = y > 0 ? dy : 0. dz may be undefined.
extern WEFT_API
    KernelSlot<void(const Tensor& x, const Tensor& y, const Tensor& dy, const Tensor& mean, const Tensor& variance,
                    double eps, const Tensor& dweight, const Tensor& dbias, const Tensor& dz)>
        batch_norm_backward_sums;
// dx = weight / sqrt(variance + eps) * (dz - (dbias + dweight * (x - mean) / sqrt(variance + eps)) / n), n values per
// channel. Where dweight and dbias are undefined, mean and variance are constants and the fraction of n is not there.
extern WEFT_API
    KernelSlot<void(const Tensor& x, const Tensor& y, const Tensor& dy, const Tensor& mean, const Tensor& variance,
                    const Tensor& weight, const Tensor& dweight, const Tensor& dbias, double eps, const Tensor& dx)>
        batch_norm_backward_data;

}  // namespace weft
