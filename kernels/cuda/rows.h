// Rows of numbers shared out over groups of threads: a short row belongs to 1 to 32 neighbouring lanes of a warp, a
// long one to a whole block. Which element falls to which thread depends on the row's length only, not on its address.
#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <limits>
#include <type_traits>

#include "kernels/cuda/convert.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/warp.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

inline constexpr int kRowThreads = 256;  // of a block

// The type that an element's value is held in: f32 for 16-bit floats, i64 for integers.
template <typename T>
using Value = std::conditional_t<std::is_integral_v<T>, std::int64_t, Compute<T>>;
template <typename T>
__device__ Value<T> value_of(T x) {
  if constexpr (std::is_integral_v<T>)
    return x;
  else
    return to_compute(x);
}

// Threads that share a row of so many packs: a power of two up to 32, or a block.
inline int row_width(std::int64_t packs) {
  if (packs > kRowThreads) return kRowThreads;
  const auto lanes = static_cast<int>(std::bit_ceil(static_cast<unsigned>(packs < 1 ? 1 : packs)));
  return lanes < kWarp ? lanes : kWarp;
}
inline dim3 row_grid(const Tensor& y, std::int64_t rows, int width) { return grid_for(y, rows * width, kRowThreads); }

// Calls body(row, member) for the rows that fall to this thread, member being its number in the row's group. All
// threads of a block are called equally often, the last time perhaps with a row that is not there.
template <typename Body>
__device__ void for_each_row(std::int64_t rows, int width, const Body& body) {
  const int groups = static_cast<int>(blockDim.x) / width, thread = static_cast<int>(threadIdx.x);
  for (std::int64_t first = std::int64_t{blockIdx.x} * groups; first < rows; first += std::int64_t{gridDim.x} * groups)
    body(first + thread / width, thread % width);
}

// combine over the threads of a row; all of them get the result. exchange: as for block_reduce.
template <typename T, typename Combine>
__device__ T row_reduce(T value, const Combine& combine, T identity, int width, T* exchange) {
  if (width > kWarp) return block_reduce(value, combine, identity, exchange);
  for (int offset = width / 2; offset > 0; offset /= 2)
    value = combine(value, __shfl_xor_sync(kAllLanes, value, offset));
  return value;
}

// The larger number, for a row's maximum before exponentials: a NaN is passed over, it comes back in their sum.
struct LargerNumber {
  template <typename C>
  __device__ C operator()(C a, C b) const {
    return b > a ? b : a;
  }
};

// The rows of dense matrices of one shape, and who owns them; a kernel argument.
struct Rows {
  std::int64_t count = 0, columns = 0;
  int width = kWarp;    // threads of a row
  bool packed = false;  // 16 bytes at a time
};

// What one of a row's threads owns of it: packs of N numbers, at first, first + step, … below n. A row that is not
// there has no numbers.
template <int N>
struct RowPart {
  std::int64_t start, n, first, step;  // of the row: where it starts in the matrix
  __device__ RowPart(const Rows& rows, std::int64_t row, int member)
      : start(row * rows.columns),
        n(row < rows.count ? rows.columns : 0),
        first(std::int64_t{member} * N),
        step(std::int64_t{rows.width} * N) {}
};

template <typename T, typename... Others>
Rows rows_of(const Tensor& x, const Others&... others) {
  const std::int64_t columns = x.size(-1);
  Rows rows{.count = x.elements() / columns, .columns = columns};
  rows.width = row_width(ceil_div<std::int64_t>(columns, kPackSize<T>));
  const auto aligned = [](const Tensor& each) { return pack_aligned<kPackSize<T>>(each.data<T>()); };
  rows.packed = columns % kPackSize<T> == 0 && aligned(x) && (aligned(others) && ...);
  return rows;
}

// The elements first, first + 1, … of a row of n; `missing` beyond its end.
template <typename T, int N = kPackSize<T>>
__device__ void load_values(const T* row, std::int64_t first, std::int64_t n, bool packed, Value<T> missing,
                            Value<T> (&values)[N]) {
  if (packed) {
    const Pack<T, N> pack = load_pack<N>(row + first);
    for (int i = 0; i < N; ++i) values[i] = value_of(pack.at[i]);
  } else {
    for (int i = 0; i < N; ++i) values[i] = first + i < n ? value_of(row[first + i]) : missing;
  }
}
template <typename T, int N = kPackSize<T>>
__device__ void store_values(T* row, std::int64_t first, std::int64_t n, bool packed, const Value<T> (&values)[N]) {
  if (packed) {
    Pack<T, N> pack;
    for (int i = 0; i < N; ++i) pack.at[i] = to_storage<T>(values[i]);
    store_pack(row + first, pack);
  } else {
    for (int i = 0; i < N; ++i)
      if (first + i < n) row[first + i] = to_storage<T>(values[i]);
  }
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
