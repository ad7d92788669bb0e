// Stands in for the toolkit's <cuda_runtime.h> when the CUDA sources are compiled for the host emulator: the words of
// the language, the built-in variables, warp and block functions, and the part of the runtime API that weft calls. What
// is not here does not compile under emulation, which is how one learns that the emulator must grow.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
// A variadic macro, since kernels give it one or two numbers.
#define __launch_bounds__(...)

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}  // NOLINT: .blocks = 4
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};

namespace weft::emulation {

// Where the running thread is; the scheduler sets it whenever a thread goes on.
struct Place {
  uint3 thread, block;
  dim3 threads, blocks;
};
extern Place place;

using Where = std::source_location;

void block_barrier(const Where& where);
void warp_barrier(unsigned mask, const Where& where);
// The value that lane `source` of the warp gave in the same call.
std::uint64_t warp_exchange(unsigned mask, std::uint64_t value, unsigned source, const Where& where);
// Bit i: whether lane i, if named in the mask, called with true.
unsigned warp_ballot(unsigned mask, bool value, const Where& where);

template <typename T>
T exchange(unsigned mask, T value, unsigned source, const Where& where) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = warp_exchange(mask, bits, source, where);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline unsigned lane() {
  const unsigned flat = place.thread.x + place.threads.x * (place.thread.y + place.threads.y * place.thread.z);
  return flat & 31u;
}

}  // namespace weft::emulation

inline const uint3& threadIdx = weft::emulation::place.thread;
inline const uint3& blockIdx = weft::emulation::place.block;
inline const dim3& blockDim = weft::emulation::place.threads;
inline const dim3& gridDim = weft::emulation::place.blocks;
inline constexpr int warpSize = 32;

inline void __syncthreads(weft::emulation::Where where = weft::emulation::Where::current()) {
  weft::emulation::block_barrier(where);
}
inline void __syncwarp(unsigned mask = ~0u, weft::emulation::Where where = weft::emulation::Where::current()) {
  weft::emulation::warp_barrier(mask, where);
}
template <typename T>
T __shfl_sync(unsigned mask, T value, int lane, weft::emulation::Where where = weft::emulation::Where::current()) {
  return weft::emulation::exchange(mask, value, unsigned(lane) & 31u, where);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, weft::emulation::Where where = weft::emulation::Where::current()) {
  return weft::emulation::exchange(mask, value, (weft::emulation::lane() ^ unsigned(lanes)) & 31u, where);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned by,
                   weft::emulation::Where where = weft::emulation::Where::current()) {
  const unsigned lane = weft::emulation::lane(), source = lane + by;
  return weft::emulation::exchange(mask, value, source < 32 ? source : lane, where);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned by,
                 weft::emulation::Where where = weft::emulation::Where::current()) {
  const unsigned lane = weft::emulation::lane();
  return weft::emulation::exchange(mask, value, lane >= by ? lane - by : lane, where);
}
inline unsigned __ballot_sync(unsigned mask, bool value,
                              weft::emulation::Where where = weft::emulation::Where::current()) {
  return weft::emulation::warp_ballot(mask, value, where);
}
inline int __any_sync(unsigned mask, bool value, weft::emulation::Where where = weft::emulation::Where::current()) {
  return weft::emulation::warp_ballot(mask, value, where) != 0;
}
inline int __all_sync(unsigned mask, bool value, weft::emulation::Where where = weft::emulation::Where::current()) {
  return weft::emulation::warp_ballot(mask, !value, where) == 0;
}

// Threads of the emulator take turns, so a plain read-modify-write is atomic.
template <typename T>
T atomicAdd(T* at, T value) {
  static_assert(std::is_integral_v<T>, "floating-point atomics give other bits at every run");
  const T before = *at;
  *at += value;
  return before;
}
template <typename T>
T atomicMax(T* at, T value) {
  const T before = *at;
  if (value > before) *at = value;
  return before;
}
template <typename T>
T atomicMin(T* at, T value) {
  const T before = *at;
  if (value < before) *at = value;
  return before;
}
template <typename T>
T atomicCAS(T* at, T expected, T desired) {
  const T before = *at;
  if (before == expected) *at = desired;
  return before;
}
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(unsigned(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
template <typename T>
T __ldg(const T* p) {
  return *p;
}

#include "kernels/emulation/runtime_api.h"
