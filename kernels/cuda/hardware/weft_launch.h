// The GPU's half of kernels/cuda/launch.h: kernels start through the CUDA runtime, shared memory is the hardware's.
#pragma once

#include "core/error.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

template <auto Kernel, typename... Parameters>
void start(const LaunchShape& shape, cudaStream_t stream, Parameters... args) {
  constexpr std::size_t kWithoutAsking = 48 * 1024;
  if (shape.shared_bytes > kWithoutAsking)
    cudaFuncSetAttribute(Kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shape.shared_bytes));
  cudaLaunchConfig_t config{};
  config.gridDim = shape.blocks;
  config.blockDim = shape.threads;
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = stream;
  const cudaError_t error = cudaLaunchKernelEx(&config, Kernel, args...);
  if (error != cudaSuccess)
    fail(ErrorKind::internal, "cuda", "launch of ", __PRETTY_FUNCTION__, ": ", cudaGetErrorString(error));
}

// A block's shared memory, handed out piece by piece. Every thread asks for the same pieces in the same order.
class SharedMemory {
 public:
  // 16-byte aligned, uninitialised.
  template <typename T>
  __device__ T* array(int n) {
    extern __shared__ __align__(128) unsigned char weft_shared_memory[];
    T* data = reinterpret_cast<T*>(weft_shared_memory + used_);
    used_ += (static_cast<unsigned>(n) * static_cast<unsigned>(sizeof(T)) + 15u) & ~15u;
    return data;
  }

 private:
  unsigned used_ = 0;
};

}  // namespace weft::cuda::WEFT_CUDA_BUILD
