// The GPU's half of kernels/cuda/convert.h: one instruction each, rounding to nearest even.
#pragma once

#include <cstdint>

#include "core/float16.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

__device__ inline float to_float(Half value) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(value.bits));
  return y;
}
__device__ inline float to_float(BFloat16 value) { return static_cast<float>(value); }  // a shift

template <typename T>
__device__ T from_float(float value);
template <>
__device__ inline Half from_float<Half>(float value) {
  Half y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(value));
  return y;
}
template <>
__device__ inline BFloat16 from_float<BFloat16>(float value) {
  BFloat16 y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(value));
  return y;
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
