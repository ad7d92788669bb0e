// GoogLeNet (Szegedy et al. 2014): nine inception blocks, each of four branches side by side, with two auxiliary
// classifiers in training; and the lecture notes' form without batch norm and without those.
#pragma once

#include "models/registry.h"
#include "nn/branches.h"

namespace weft::models {

// Channels of the four branches: 1 x 1; 1 x 1 and 3 x 3; 1 x 1 and 5 x 5; pooling and 1 x 1.
struct InceptionWidths {
  std::int64_t c1;
  std::int64_t reduce3, c3;
  std::int64_t reduce5, c5;
  std::int64_t pooled;
  std::int64_t channels() const { return c1 + c3 + c5 + pooled; }
};

// The lecture notes' block: every convolution followed by ReLU. x (N, in, H, W) -> (N, channels(), H, W).
WEFT_API nn::Branches inception_d2l(std::int64_t in, const InceptionWidths& widths);

}  // namespace weft::models
