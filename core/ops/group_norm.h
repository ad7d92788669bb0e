// Group normalisation (Wu and He, "Group normalization", ECCV 2018): as layer_norm, over the channels of a group and
// all pixels of one image. It runs on layer_norm's slots.
#pragma once

#include "core/tensor.h"

namespace weft {

struct GroupNormOptions {
  std::int64_t groups = 1;  // divides C
  double eps = 1e-5;
};

// x (N, C, …) -> y of the same shape and memory format: (x - mean) / sqrt(variance + eps) * weight[c] + bias[c], mean
// and variance (biased) of each image's groups of C / groups channels. weight and bias (C,) or undefined. Needs
// contiguous images: others are copied there and back. Any floating dtype; statistics as in layer_norm.
WEFT_API Tensor group_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, GroupNormOptions options);

}  // namespace weft
