// The multilayer perceptron: linear layers with an activation, and dropout where asked for, between them. Inputs of
// any shape are flattened.
#pragma once

#include <string>
#include <vector>

#include "nn/sequential.h"

namespace weft::models {

struct MLPOptions {
  std::int64_t inputs = 0, outputs = 0;
  std::vector<std::int64_t> hidden = {};
  std::vector<double> dropout = {};  // none, one for all hidden layers, or one per hidden layer
  std::string activation = "relu";   // one of nn::activation_names()
};

// (N, …) -> (N, outputs): flatten, then fc1, act1, drop1 (only where p > 0), fc2, ….
WEFT_API nn::Sequential mlp(const MLPOptions& options);

}  // namespace weft::models
