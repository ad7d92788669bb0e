// Dropout (Srivastava et al. 2014): in training each element becomes zero with probability p and the others are
// divided by 1 - p; in evaluation x itself is returned.
#pragma once

#include "nn/module.h"

namespace weft::nn {

// Every call in training draws a fresh stream from default_generator(), so masks follow from the seed alone.
class WEFT_API Dropout final : public Module {
 public:
  explicit Dropout(double p = 0.5);
  std::string options() const override;

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  double p_;
};

}  // namespace weft::nn
