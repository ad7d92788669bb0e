// Sums, maxima and the like over the lanes of a warp and the threads of a block, in an order that depends on the number
// of threads only. Every thread of the warp (the block) must take part; blocks are multiples of 32 threads.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/launch.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

// combine(a, b) over all lanes; every lane gets the result. combine must be commutative, so that all get the same bits.
template <typename T, typename Combine>
__device__ T warp_reduce(T value, const Combine& combine) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2)
    value = combine(value, __shfl_xor_sync(kAllLanes, value, offset));
  return value;
}

// The same over a block of at most 1024 threads; `exchange` is shared memory for 33 values, free for re-use when the
// next barrier has been passed. identity is combine's neutral element. Bytes of shared memory: block_reduce_bytes<T>.
template <typename T, typename Combine>
__device__ T block_reduce(T value, const Combine& combine, T identity, T* exchange) {
  const unsigned thread = threadIdx.x, lane = thread % kWarp, warp = thread / kWarp;
  const unsigned warps = blockDim.x / kWarp;
  value = warp_reduce(value, combine);
  __syncthreads();  // the exchange may hold the result of a call before
  if (lane == 0) exchange[warp] = value;
  __syncthreads();
  if (warp == 0) {
    const T total = warp_reduce(lane < warps ? exchange[lane] : identity, combine);
    if (lane == 0) exchange[kWarp] = total;
  }
  __syncthreads();
  return exchange[kWarp];
}
template <typename T>
inline constexpr std::size_t kBlockReduceBytes = ((kWarp + 1) * sizeof(T) + 15) / 16 * 16;

struct Add {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
// NaN wins.
struct Larger {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
};

}  // namespace weft::cuda::WEFT_CUDA_BUILD
