// Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019): steps scaled by running moments of the gradient.
#pragma once

#include "optim/optimizer.h"

namespace weft::optim {

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  // Adam: λ w joins the gradient; AdamW: w shrinks by (1 - lr λ) beside the step
};

// m = β₁ m + (1 - β₁) g; v = β₂ v + (1 - β₂) g²; w -= lr m̂ / (√v̂ + eps), m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ).
class WEFT_API Adam : public Optimizer {
 public:
  Adam(const Tensors& parameters, AdamOptions options);
  Adam(std::vector<ParameterGroup> groups, AdamOptions options);

 protected:
  Adam(const char* name, bool decoupled, std::vector<ParameterGroup> groups, AdamOptions options);

 private:
  void update() override;

  AdamOptions options_;
  bool decoupled_ = false;
};

class WEFT_API AdamW final : public Adam {
 public:
  AdamW(const Tensors& parameters, AdamOptions options);
  AdamW(std::vector<ParameterGroup> groups, AdamOptions options);
};

}  // namespace weft::optim
