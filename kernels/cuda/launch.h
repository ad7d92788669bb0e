// How a kernel starts: launch<kernel>({.blocks = b, .threads = t, .shared_bytes = s}, stream, args…), the same line for
// a GPU and for the host emulator. <weft_launch.h> is the part that differs; the include path chooses it. Pointers to
// device memory are arguments of their own, or members of a struct with each_pointer(), never hidden elsewhere.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/tensor.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

struct LaunchShape {
  dim3 blocks;
  dim3 threads;
  std::size_t shared_bytes = 0;  // what SharedMemory hands out to a block
};

}  // namespace weft::cuda::WEFT_CUDA_BUILD

// Gives start<Kernel>(shape, stream, args…), SharedMemory.
#include <weft_launch.h>

#include "kernels/cuda/streams.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

// Starts the kernel with the arguments converted to its parameter types.
template <auto Kernel, typename... Parameters, typename... Args>
void start_converted(const LaunchShape& shape, cudaStream_t stream, void (*)(Parameters...), const Args&... args) {
  start<Kernel, Parameters...>(shape, stream, static_cast<Parameters>(args)...);
}

// Runs the kernel on the stream; a grid without blocks does nothing, so that empty tensors need no case of their own.
template <auto Kernel, typename... Args>
void launch(const LaunchShape& shape, cudaStream_t stream, const Args&... args) {
  if (shape.blocks.x == 0 || shape.blocks.y == 0 || shape.blocks.z == 0) return;
  // GCC 12 forgets to instantiate some kernels that are named outside a lambda.
  [&](auto* kernel) { start_converted<Kernel>(shape, stream, kernel, args...); }(Kernel);
}

template <typename T>
constexpr T ceil_div(T a, std::type_identity_t<T> b) {
  return (a + b - 1) / b;
}

// Blocks for a grid-stride loop over n items: enough to fill the device eight times over, never more than the work has.
inline dim3 grid_for(const Tensor& y, std::int64_t n, unsigned threads) {
  const std::int64_t needed = ceil_div<std::int64_t>(n, threads), most = 8LL * multiprocessors_of(y);
  return dim3(static_cast<unsigned>(needed < most ? needed : most));
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
