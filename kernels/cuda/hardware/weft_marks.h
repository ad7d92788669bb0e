// The GPU's half of kernels/cuda/marks.h: nothing is to be told, nothing is checked.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include "core/tensor.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

inline constexpr std::size_t kRedZone = 0;
inline void handed_out(void*, std::size_t, std::size_t, cudaStream_t, bool) {}
inline void taken_back(void*, std::size_t, cudaStream_t, bool) {}
inline void check_written(const Tensor&) {}

// Where in the source a call stands; nobody asks on a GPU.
struct Where {
  __host__ __device__ static constexpr Where current() { return {}; }
};
__device__ inline void check_aligned(const void*, std::size_t, Where) {}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
