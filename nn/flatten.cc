#include "nn/flatten.h"

namespace weft::nn {

Tensor Flatten::forward(const Tensor& x) { return x.flatten(first_axis_, last_axis_); }

}  // namespace weft::nn
