// Conv2d: cross-correlation of images with learned filters. Keeps the memory format of its input; weights are held
// and saved as (out, in / groups, kernel, kernel) whatever that format.
#pragma once

#include "core/ops/conv2d.h"
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

  using Module::operator();
  // The same, written to `out`: Note [Concat in place] in core/ops/concat.h. An undefined one is no difference.
  Tensor operator()(const Tensor& x, const Tensor& out);

  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }  // undefined without

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  Tensor run(const Tensor& x, const Tensor& out);

  Conv2dSpec spec_;
  Tensor weight_, bias_;
};

}  // namespace weft::nn
