// LayerNorm: layer normalisation over the last axes of x, as a layer; the same in training and evaluation.
#pragma once

#include "core/ops/layer_norm.h"
#include "nn/module.h"

namespace weft::nn {

struct LayerNormSpec {
  Shape shape;  // of the last axes of x that make up a row
  double eps = 1e-5;
  bool affine = true;  // weight and bias
};

// weight starts at 1, bias at 0, both of the given shape.
class WEFT_API LayerNorm final : public Module {
 public:
  explicit LayerNorm(LayerNormSpec spec);
  void members(Visitor& visitor) override;
  std::string options() const override;

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  LayerNormSpec spec_;
  Tensor weight_, bias_;
};

}  // namespace weft::nn
