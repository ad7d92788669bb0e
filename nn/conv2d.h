// Conv2d: cross-correlation of images with learned filters. Keeps the memory format of its input; weights are held
// and saved as (out, in / groups, kernel, kernel) whatever that format.
#pragma once

#include "core/ops/conv2d.h"
#include "nn/feature_map.h"
#include "nn/module.h"

namespace weft::nn {

struct Conv2dSpec {
  std::int64_t in = 0, out = 0;
  Pair kernel = 1;
  Pair stride = 1;
  Pair padding = 0;
  Pair dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  bool relu = false;  // max(…, 0) afterwards, in one op
};

// x (N, in, H, W) -> (N, out, ⌊(H + 2p - d(k - 1) - 1) / s⌋ + 1, …). weight and bias start uniform in ±1/√fan_in.
class WEFT_API Conv2d final : public Module {
 public:
  explicit Conv2d(Conv2dSpec spec);
  void members(Visitor& visitor) override;
  std::string options() const override;

  std::optional<Shape> output_shape(const Shape& x) override;

  // Whether the layer does nothing beside the convolution that would keep batch norm outside of it.
  bool takes_norm() const { return !spec_.bias && !spec_.relu && spec_.groups == 1; }
  // As a call of this layer: what is pending of the input is applied while it is read, and statistics of the output are
  // taken where wanted. takes_norm() must hold.
  FeatureMap carry(const FeatureMap& x, bool statistics);

  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }  // undefined without

 protected:
  Tensor forward(const Tensor& x) override { return forward_into(x, {}); }
  Tensor forward_into(const Tensor& x, const Tensor& out) override;

 private:
  Conv2dOptions convolution() const;

  Conv2dSpec spec_;
  Tensor weight_, bias_;
};

}  // namespace weft::nn
