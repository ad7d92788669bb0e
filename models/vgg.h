// VGG (Simonyan and Zisserman 2014): blocks of 3 x 3 convolutions, each ended by max pooling, and three linear layers
// with dropout. Two 3 x 3 convolutions see as far as one 5 x 5 and take 18 C² weights where that takes 25 C².
#pragma once

#include <vector>

#include "models/registry.h"
#include "nn/sequential.h"

namespace weft::models {

struct VGGBlock {
  int convolutions = 1;
  std::int64_t channels = 64;
};

// x (N, in_channels, S, S) -> (N, classes). Every block halves the image.
WEFT_API nn::Sequential vgg(const std::vector<VGGBlock>& blocks, const ModelOptions& options);

}  // namespace weft::models
