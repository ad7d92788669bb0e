// From the number of an element to its place in N tensors of one shape and any strides, in 64 bits: for kernels that
// need a place now and then, not for every element they move.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/strided.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

// a / b for numbers that are not negative; 32-bit division is several times faster.
__device__ inline std::int64_t quotient(std::int64_t a, std::int64_t b) {
  if (((a | b) >> 32) == 0) return static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(b);
  return a / b;
}

// A kernel argument.
template <int N>
struct Places {
  int axes = 0;
  std::int64_t size[kMaxRank] = {};  // outermost first
  std::int64_t stride[N][kMaxRank] = {};

  Places() = default;
  // All but the `inner` innermost axes.
  explicit Places(const MergedAxes<N>& merged, int inner = 0) : axes(merged.axes - inner) {
    for (int i = 0; i < axes; ++i) {
      size[i] = merged.size[i];
      for (int k = 0; k < N; ++k) stride[k][i] = merged.stride[k][i];
    }
  }

  __device__ void locate(std::int64_t item, std::int64_t (&at)[N]) const {
    for (int k = 0; k < N; ++k) at[k] = 0;
    for (int i = axes - 1; i >= 0; --i) {
      std::int64_t index = item;
      if (i > 0) {  // of the outermost axis, what is left is the index
        item = quotient(item, size[i]);
        index -= item * size[i];
      }
      for (int k = 0; k < N; ++k) at[k] += index * stride[k][i];
    }
  }
};

}  // namespace weft::cuda::WEFT_CUDA_BUILD
