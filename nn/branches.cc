#include "nn/branches.h"

#include "core/ops/concat.h"

namespace weft::nn {

Tensor Branches::forward(const Tensor& x) {
  Tensors outputs;
  for (std::size_t i = 0; i < branches_.size(); ++i) outputs.push_back(branches_[i](x));
  return concat(outputs, 1);
}

}  // namespace weft::nn
