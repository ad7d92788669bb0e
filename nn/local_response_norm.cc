#include "nn/local_response_norm.h"

namespace weft::nn {

std::string LocalResponseNorm::options() const {
  return message("size = ", options_.size, ", alpha = ", options_.alpha, ", beta = ", options_.beta,
                 ", k = ", options_.k);
}
Tensor LocalResponseNorm::forward(const Tensor& x) { return local_response_norm(x, options_); }

}  // namespace weft::nn
