// AlexNet (Krizhevsky, Sutskever and Hinton 2012): five convolutions with overlapping max pooling, three linear layers
// with dropout.
#pragma once

#include <array>

#include "models/registry.h"
#include "nn/sequential.h"

namespace weft::models {

struct AlexNetPlan {
  std::array<std::int64_t, 5> channels = {96, 256, 384, 384, 256};
  int padding = 1;  // of the first convolution
};

// x (N, in_channels, S, S) -> (N, classes).
WEFT_API nn::Sequential alexnet(const AlexNetPlan& plan, const ModelOptions& options);

}  // namespace weft::models
