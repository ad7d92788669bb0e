// Flatten: (N, C, H, W) -> (N, C * H * W) in logical order, so files and nets agree whatever the memory format.
#pragma once

#include "nn/module.h"

namespace weft::nn {

class WEFT_API Flatten final : public Module {
 public:
  explicit Flatten(int first_axis = 1, int last_axis = -1) : first_axis_(first_axis), last_axis_(last_axis) {}

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  int first_axis_, last_axis_;
};

}  // namespace weft::nn
