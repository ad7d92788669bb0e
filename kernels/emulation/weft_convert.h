// The emulator's half of kernels/cuda/convert.h: as the host does it.
#pragma once

#include "core/float16.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

template <typename T>
float to_float(T value) {
  return static_cast<float>(value);
}
template <typename T>
T from_float(float value) {
  return T(value);
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
