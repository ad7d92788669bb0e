// Linear regression and softmax regression: one linear layer, and the loss makes the difference. Inputs of any shape
// are flattened.
#pragma once

#include "nn/linear.h"
#include "nn/module.h"

namespace weft::models {

// y = W x + b: (N, …) -> (N, outputs).
class WEFT_API LinearModel final : public nn::Module {
 public:
  LinearModel(std::int64_t inputs, std::int64_t outputs) : fc_({.in = inputs, .out = outputs}) {}
  void members(nn::Visitor& visitor) override { visitor("fc", fc_); }

 protected:
  Tensor forward(const Tensor& x) override { return fc_(x.rank() == 2 ? x : x.flatten(1)); }

 private:
  nn::Linear fc_;
};

}  // namespace weft::models
