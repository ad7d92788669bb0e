// SGD: stochastic gradient descent with momentum, Nesterov's variant and weight decay.
#pragma once

#include "optim/optimizer.h"

namespace weft::optim {

struct SGDOptions {
  double lr = 0.01;
  double momentum = 0;
  double weight_decay = 0;  // λ of λ/2 ‖w‖²: w shrinks by (1 - lr λ) each step
  bool nesterov = false;    // needs momentum
  // Projected SGD: after each step every group is scaled back to this Euclidean norm when it is longer; 0: no limit.
  double max_norm = 0;
};

// g += λ w; v = momentum v + g; w -= lr v  (nesterov: w -= lr (g + momentum v)).
class WEFT_API SGD final : public Optimizer {
 public:
  SGD(const Tensors& parameters, SGDOptions options);
  SGD(std::vector<ParameterGroup> groups, SGDOptions options);

 private:
  void update() override;

  SGDOptions options_;
};

}  // namespace weft::optim
