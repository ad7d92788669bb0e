// Nets of one linear layer: linear regression (L0) and softmax regression (L3) of the lecture notes.
#pragma once

#include "nn/linear.h"
#include "nn/module.h"

namespace weft::models {

// y = W x + b on flattened inputs: (N, …) -> (N, outputs). Softmax regression is this with cross-entropy as the loss.
class WEFT_API LinearModel final : public nn::Module {
 public:
  LinearModel(std::int64_t inputs, std::int64_t outputs) : fc_({.in = inputs, .out = outputs}) {}
  void members(nn::Visitor& v) override { v("fc", fc_); }

 protected:
  Tensor forward(const Tensor& x) override { return fc_(x.rank() == 2 ? x : x.flatten(1)); }

 private:
  nn::Linear fc_;
};

}  // namespace weft::models
