// Linear: y = x Wᵀ + b over the last axis, the fully connected layer.
#pragma once

#include "nn/module.h"

namespace weft::nn {

struct LinearOptions {
  std::int64_t in = 0, out = 0;
  bool bias = true;
  bool relu = false;  // max(…, 0) afterwards, in one op
};

// x (…, in) -> (…, out). weight (out, in) and bias (out,) start uniform in ±1/√in, as in PyTorch.
class WEFT_API Linear final : public Module {
 public:
  explicit Linear(LinearOptions options);
  void members(Visitor& visitor) override;
  std::string options() const override;

  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }  // undefined without

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  LinearOptions options_;
  Tensor weight_, bias_;
};

}  // namespace weft::nn
