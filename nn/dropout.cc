#include "nn/dropout.h"

#include "core/generator.h"
#include "core/ops/dropout.h"

namespace weft::nn {

Dropout::Dropout(double p) : p_(p) {
  require(p >= 0 && p <= 1, "dropout", "the probability must lie in [0, 1], got ", p);
}

std::string Dropout::options() const { return message("p = ", p_); }

Tensor Dropout::forward(const Tensor& x) {
  if (!training() || p_ == 0) return x;
  return dropout(x, p_, default_generator().fresh(RandomPurpose::dropout));
}

}  // namespace weft::nn
