// LocalResponseNorm: AlexNet's normalisation of each pixel across neighbouring channels, without parameters.
#pragma once

#include "core/ops/local_response_norm.h"
#include "nn/module.h"

namespace weft::nn {

class WEFT_API LocalResponseNorm final : public Module {
 public:
  explicit LocalResponseNorm(LocalResponseNormOptions options = {}) : options_(options) {}
  std::string options() const override;

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  LocalResponseNormOptions options_;
};

}  // namespace weft::nn
