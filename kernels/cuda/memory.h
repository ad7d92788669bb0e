// Accesses of up to 16 bytes at once: Pack<T, N> holds N elements that are read or written by one instruction. The
// address must be a multiple of the pack's size; the emulator reports one that is not.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "core/dtype.h"
#include "kernels/cuda/marks.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

template <typename T, int N>
struct alignas(sizeof(T) * N) Pack {
  T at[N];
};

// As many elements as 16 bytes hold.
template <typename T>
inline constexpr int kPackSize = 16 / static_cast<int>(sizeof(T));

template <int N, typename T>
__device__ inline Pack<T, N> load_pack(const T* from, Where where = Where::current()) {
  check_aligned(from, sizeof(Pack<T, N>), where);
  return *reinterpret_cast<const Pack<T, N>*>(from);
}
template <int N, typename T>
__device__ inline void store_pack(T* to, const Pack<T, N>& pack, Where where = Where::current()) {
  check_aligned(to, sizeof(Pack<T, N>), where);
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

// Host code: whether packs of N elements of T may be used from this address on.
template <int N, typename T>
bool pack_aligned(const T* data) {
  return reinterpret_cast<std::uintptr_t>(data) % sizeof(Pack<T, N>) == 0;
}

// This thread's place in a grid-stride loop over one axis, and the loop's step.
__device__ inline std::int64_t first_item() { return std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; }
__device__ inline std::int64_t item_step() { return std::int64_t{gridDim.x} * blockDim.x; }

}  // namespace weft::cuda::WEFT_CUDA_BUILD
