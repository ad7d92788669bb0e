// From the type in which elements are kept to the type in which they are computed, and back: to_compute(x) and
// to_storage<T>(y). For 16-bit floats a GPU has instructions where core/float16.h takes a dozen, which would bound
// elementwise kernels; the bits are the same, but that a NaN loses its payload.
#pragma once

#include <cuda_runtime.h>

#include <type_traits>

#include "core/dtype.h"

// Half and BFloat16; the include path chooses.
#include <weft_convert.h>

namespace weft::cuda::WEFT_CUDA_BUILD {

template <typename T>
__device__ Compute<T> to_compute(T value) {
  if constexpr (std::is_same_v<T, Compute<T>>)
    return value;
  else
    return to_float(value);
}
template <typename T>
__device__ T to_storage(Compute<T> value) {
  if constexpr (std::is_same_v<T, Compute<T>>)
    return value;
  else
    return from_float<T>(value);
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
