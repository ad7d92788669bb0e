#include "nn/linear.h"

#include <cmath>

#include "core/ops/matmul.h"
#include "nn/init.h"

namespace weft::nn {

Linear::Linear(LinearOptions options) : options_(options) {
  require(options.in > 0 && options.out > 0, "linear", "in and out must be positive, got ", options.in, " and ",
          options.out);
  const double bound = 1 / std::sqrt(static_cast<double>(options.in));
  weight_ = empty({options.out, options.in});
  init::uniform(weight_, -bound, bound);
  weight_.set_requires_grad();
  if (!options.bias) return;
  bias_ = empty({options.out});
  init::uniform(bias_, -bound, bound);
  bias_.set_requires_grad();
}

void Linear::members(Visitor& visitor) { visitor("weight", weight_, "bias", bias_); }

std::string Linear::options() const {
  return message("in = ", options_.in, ", out = ", options_.out, options_.bias ? "" : ", bias = false",
                 options_.relu ? ", relu" : "");
}

Tensor Linear::forward(const Tensor& x) {
  return options_.relu ? linear_relu(x, weight_, bias_) : linear(x, weight_, bias_);
}

}  // namespace weft::nn
