// Filling tensors with random numbers, in place. The number at an element depends on the stream and the element's
// row-major index only: the same bits for any device, memory format, thread count and split of the work. Numbers are
// drawn in f32 and rounded to the tensor's dtype (floating; an f64 tensor gets f32's precision).
#pragma once

#include "core/kernel_slot.h"
#include "core/random.h"
#include "core/tensor.h"

namespace weft {

// Uniform in [low, high).
WEFT_API void uniform_(const Tensor& x, double low, double high, RandomStream stream);
// Normal with that mean and standard deviation (Box-Muller).
WEFT_API void normal_(const Tensor& x, double mean, double std, RandomStream stream);
// Normal conditioned on [low, high], by rejection; refused where less than 0.1 % of the mass lies there.
WEFT_API void truncated_normal_(const Tensor& x, double mean, double std, double low, double high, RandomStream stream);
// 1 with probability p, else 0.
WEFT_API void bernoulli_(const Tensor& x, double p, RandomStream stream);
// The numbers 0 … n - 1 in random order, i64: sorted by 64-bit random keys, ties by number; the same on any device.
WEFT_API Tensor permutation(std::int64_t n, RandomStream stream, Device device = {});

enum class Distribution : std::uint8_t { uniform, normal, truncated_normal, bernoulli };
struct Draw {
  Distribution distribution = Distribution::uniform;
  float a = 0, b = 1;       // low and high, mean and std, or p
  float low = 0, high = 0;  // of the truncated normal
};

// y = numbers of the stream; y contiguous, floating.
extern WEFT_API KernelSlot<void(Draw draw, RandomStream stream, const Tensor& y)> random_forward;
// y (n,) i64 = a permutation; key of i: words 2 i (upper half) and 2 i + 1 (lower half) of the stream.
extern WEFT_API KernelSlot<void(RandomStream stream, const Tensor& y)> permutation_forward;

}  // namespace weft
