// VGG (Simonyan and Zisserman 2014): blocks of 3 x 3 convolutions, each ended by max pooling, and three linear layers
// with dropout. Two 3 x 3 convolutions see as far as one 5 x 5 and take 18 C² weights where that takes 25 C².
#pragma once

#include <array>

#include "models/registry.h"
#include "nn/sequential.h"

namespace weft::models {

struct VGGPlan {
  std::array<int, 5> convolutions = {1, 1, 2, 2, 2};  // of each block
  std::int64_t channels = 64;                         // of the first block; then 2, 4, 8 and 8 times as many
  bool batch_norm = false;
  bool adaptive = false;  // features are pooled to 7 x 7, whatever the image
};

// x (N, in_channels, S, S) -> (N, classes). Every block halves the image.
WEFT_API nn::Sequential vgg(const VGGPlan& plan, const ModelOptions& options);

}  // namespace weft::models
