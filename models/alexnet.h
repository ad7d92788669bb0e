// AlexNet (Krizhevsky, Sutskever and Hinton 2012): five convolutions with overlapping max pooling, three linear layers
// with dropout. The lecture notes', torchvision's and the paper's form differ in what AlexNetPlan says.
#pragma once

#include <array>

#include "models/registry.h"
#include "nn/sequential.h"

namespace weft::models {

struct AlexNetPlan {
  std::array<std::int64_t, 5> channels = {96, 256, 384, 384, 256};
  int padding = 1;             // of the first convolution
  std::int64_t groups = 1;     // of the second, fourth and fifth: 2 where the paper has two GPUs
  bool normalised = false;     // local response normalisation after the first two
  bool adaptive = false;       // features are pooled to 6 x 6, whatever the image
  bool dropout_first = false;  // dropout before the linear layers instead of behind them
};

// x (N, in_channels, S, S) -> (N, classes).
WEFT_API nn::Sequential alexnet(const AlexNetPlan& plan, const ModelOptions& options);

}  // namespace weft::models
