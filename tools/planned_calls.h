// The convolutions and matrix products of one training step of a net, found by running it small and listening: the
// input of `weft plan`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/ops/conv2d.h"
#include "nn/module.h"

namespace weft::tools {

struct PlannedCall {
  std::string layer;  // its path in the net: "features.0"; of the layer it is a gradient of
  std::string slot;   // "conv2d_forward", "normalized_conv2d_forward", "linear_backward_weight"
  bool convolution = false;
  Shape first, second;         // x and weight of a convolution; (…, M, K) and (…, K, N) of a product
  Conv2dOptions options = {};  // of a convolution
  bool bias = false;
  std::int64_t times = 1;  // calls with just these sizes
};

// The calls of forward and backward on a batch of that many inputs, in their order, equal ones counted. The net runs on
// the CPU with batches of 2 and 3; sizes that differ between the two grow with the batch. norm_inside: with batch norm
// inside the convolutions, as nets compute in f16 and channels-last on devices.
std::vector<PlannedCall> planned_calls(nn::Module& net, const Shape& input_shape, std::int64_t batch_size,
                                       bool norm_inside = false);

}  // namespace weft::tools
