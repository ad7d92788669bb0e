// GroupNorm: group normalisation as a layer, for x (N, features, …); the same in training and evaluation.
#pragma once

#include "core/ops/group_norm.h"
#include "nn/module.h"

namespace weft::nn {

struct GroupNormSpec {
  std::int64_t groups = 1;    // divides the features
  std::int64_t features = 0;  // C
  double eps = 1e-5;
  bool affine = true;  // weight and bias
};

// weight (C,) starts at 1, bias (C,) at 0.
class WEFT_API GroupNorm final : public Module {
 public:
  explicit GroupNorm(GroupNormSpec spec);
  void members(Visitor& visitor) override;
  std::string options() const override;

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  GroupNormSpec spec_;
  Tensor weight_, bias_;
};

}  // namespace weft::nn
