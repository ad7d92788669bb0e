// Summary: what a net does to an input of a given shape, layer by layer, as data and as a table. It runs the net once
// in evaluation mode and listens; nothing is computed from formulas of its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/shape.h"
#include "nn/module.h"

namespace weft::nn {

struct LayerSummary {
  std::string name;    // its path in the net: "features.0"
  std::string type;    // "Conv2d"
  Shape output_shape;  // with the batch axis of the input
  std::int64_t parameters = 0;
  std::int64_t macs = 0;  // multiply-accumulates of the call
};

struct Summary {
  std::vector<LayerSummary> layers;  // those that hold no other modules, in the order they ran
  std::int64_t total_parameters = 0;
  std::int64_t trainable_parameters = 0;
  std::int64_t macs = 0;  // of one forward pass
};

// input_shape (N, …) includes the batch axis. Modes and gradients of the net are left as they were.
WEFT_API Summary summarize(Module& net, const Shape& input_shape);
// The shape of net(x) for x of that shape, found with a batch of no samples: nothing is computed. An image that is too
// small is the error of the layer at which it vanishes.
WEFT_API Shape output_shape(Module& net, Shape input_shape);
// 61706 as "61,706".
WEFT_API std::string grouped(std::int64_t count);
// A table of lines; no trailing newline.
WEFT_API std::string to_string(const Summary& summary);

}  // namespace weft::nn
