// An op of the program's own: y = x / (1 + |x|), f32, differentiable.
#pragma once

#include <weft/core/tensor.h>

namespace consumer {

weft::Tensor soft_sign(const weft::Tensor& x);

}  // namespace consumer
