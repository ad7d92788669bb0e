// NiN, "Network in network" (Lin, Chen and Yan 2013): each convolution is followed by two 1 x 1 convolutions, and the
// last block has a channel per class, which global average pooling turns into the output: no linear layer.
#pragma once

#include "models/registry.h"
#include "nn/conv2d.h"
#include "nn/sequential.h"

namespace weft::models {

// The convolution and two of 1 x 1, each with ReLU. The last one has `out` channels, 0: as the others.
WEFT_API nn::Sequential nin_block(nn::Conv2dSpec convolution, std::int64_t out = 0);

// x (N, in_channels, S, S) -> (N, classes). Outputs are not negative: the last block too ends with ReLU. `last` is the
// number of channels inside the last block, 0: as many as classes.
WEFT_API nn::Sequential nin(std::int64_t last, const ModelOptions& options);

}  // namespace weft::models
