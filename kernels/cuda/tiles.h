// Matrix products through shared memory, for operands whose elements are found in any way and of any floating type:
// a block computes one tile of the product, a thread 4 x 4 elements of it in registers. What an operand is (a matrix
// with strides, the windows of an image) is a struct with row(i), step(k) and read(row, step).
//
// Per 16 steps of depth a thread copies kDepth * (M + N) / kThreads elements into shared memory, then does 256
// multiply-adds on values that it reads from there 4 at a time; of global memory the block reads (M + N) elements per
// M * N multiply-adds: 32 multiply-adds an element for tiles of 64 x 64, so f32 is bound by arithmetic.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/memory.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

// Tiles of M x N elements. The narrow ones are for products with few rows or columns.
template <int M, int N>
struct Tile {
  static constexpr int kRows = M, kColumns = N, kDepth = 16, kEach = 4;
  static constexpr int kThreads = M / kEach * (N / kEach);
  static constexpr int kBlocks = 512 / kThreads;  // per multiprocessor at least: leaves a thread 128 registers
};

// Where a row of an operand, or a step of its depth, stands in a matrix: an element is at the sum of the two.
struct Offset {
  std::int64_t at;  // negative: there is none, the element counts as zero
};

// One operand of the product, `Count` rows of it (columns, for the right operand) in shared memory.
//   Place       what row() and step() give
//   Element     its type in memory
//   steps_fast  whether neighbouring threads should read along the depth, or along the rows
//   row(i)      row i of the whole operand; step(k) one step of depth
//   read        the element where both meet, zero where there is none
template <typename Operand, int Count, int Depth>
class Panel {
 public:
  using Place = typename Operand::Place;
  using Sum = Compute<typename Operand::Element>;
  static constexpr int kPitch = Count + 4;  // fewer bank conflicts when neighbours write along the depth
  static constexpr std::size_t kBytes = sizeof(Sum) * kPitch * Depth + sizeof(Place) * (Count + Depth);

  __device__ Panel(SharedMemory& shared, const Operand& operand, std::int64_t first)
      : operand_(operand),
        values_(shared.array<Sum>(kPitch * Depth)),
        rows_(shared.array<Place>(Count)),
        steps_(shared.array<Place>(Depth)) {
    for (int i = static_cast<int>(threadIdx.x); i < Count; i += static_cast<int>(blockDim.x))
      rows_[i] = operand.row(first + i);
  }

  // Steps k … k + Depth - 1, those from `end` on being empty: written by Depth threads from `thread` on.
  __device__ void find_steps(std::int64_t k, std::int64_t end, unsigned thread) {
    const unsigned i = threadIdx.x - thread;
    if (i < static_cast<unsigned>(Depth)) steps_[i] = k + i < end ? operand_.step(k + i) : Operand::nowhere();
  }
  template <int Threads>
  __device__ void fill() {
#pragma unroll 4
    for (int turn = 0; turn < Count * Depth / Threads; ++turn) {
      const int at = turn * Threads + static_cast<int>(threadIdx.x);
      const int i = operand_.steps_fast ? at / Depth : at % Count;
      const int k = operand_.steps_fast ? at % Depth : at / Count;
      values_[k * kPitch + i] = static_cast<Sum>(operand_.read(rows_[i], steps_[k]));
    }
  }
  // Four neighbours in step k.
  __device__ void four(int k, int first, Sum* to) const {
    constexpr int n = kPackSize<Sum> < 4 ? kPackSize<Sum> : 4;
#pragma unroll
    for (int i = 0; i < 4; i += n) {
      const Pack<Sum, n> pack = load_pack<n>(values_ + k * kPitch + first + i);
#pragma unroll
      for (int e = 0; e < n; ++e) to[i + e] = pack.at[e];
    }
  }

 private:
  const Operand& operand_;
  Sum* values_;
  Place* rows_;
  Place* steps_;
};

template <typename Tile, typename Left, typename Right>
inline constexpr std::size_t kTileBytes =
    Panel<Left, Tile::kRows, Tile::kDepth>::kBytes + Panel<Right, Tile::kColumns, Tile::kDepth>::kBytes;

// What one block computes: rows from i, columns from j, depth [begin, end).
struct TilePlace {
  std::int64_t i, j, begin, end;
};

// store.columns_fast says whether neighbouring threads should own neighbouring columns, or rows. A thread asks once for
// store.columns(j), the places of its four columns from j on, and calls store(i, columns, sums) for each of its four
// rows, also of those outside the product. Every sum is a chain of fused multiply-adds in rising depth.
template <typename Tile, typename Left, typename Right, typename Store>
__device__ void multiply_tile(const TilePlace& place, const Left& left_operand, const Right& right_operand,
                              const Store& store) {
  using Sum = Compute<typename Left::Element>;
  constexpr int depth = Tile::kDepth, each = Tile::kEach;
  constexpr int rows = Tile::kRows / each, columns = Tile::kColumns / each;
  SharedMemory shared;
  Panel<Left, Tile::kRows, depth> left(shared, left_operand, place.i);
  Panel<Right, Tile::kColumns, depth> right(shared, right_operand, place.j);
  const int thread = static_cast<int>(threadIdx.x);
  const int row = (store.columns_fast ? thread / columns : thread % rows) * each;
  const int column = (store.columns_fast ? thread % columns : thread / rows) * each;
  Sum sums[each][each] = {};
  left.find_steps(place.begin, place.end, 0);
  right.find_steps(place.begin, place.end, depth);
  __syncthreads();
  for (std::int64_t k = place.begin; k < place.end; k += depth) {
    left.template fill<Tile::kThreads>();
    right.template fill<Tile::kThreads>();
    __syncthreads();  // the panels are full
    left.find_steps(k + depth, place.end, 0);
    right.find_steps(k + depth, place.end, depth);
#pragma unroll 8
    for (int s = 0; s < depth; ++s) {
      Sum a[each], b[each];
      left.four(s, row, a);
      right.four(s, column, b);
#pragma unroll
      for (int i = 0; i < each; ++i)
#pragma unroll
        for (int j = 0; j < each; ++j) sums[i][j] = std::fma(a[i], b[j], sums[i][j]);
    }
    __syncthreads();  // nobody reads the panels any more, and the next steps are found
  }
  const auto places = store.columns(place.j + column);
#pragma unroll
  for (int i = 0; i < each; ++i) store(place.i + row + i, places, sums[i]);
}

// How a product of m x n elements, `depth` terms each, is split into blocks; by its sizes only, so that the bits do
// not depend on the device. Where there are few tiles the depth is split too: `parts` partial sums, added up later.
struct TileGrid {
  std::int64_t down, across, parts, depth_per_part;  // tiles, tiles, ranges of depth, steps in each

  __host__ __device__ std::int64_t blocks() const { return down * across * parts; }
  // Block number b, of those of one product. Neighbouring blocks go down groups of 8 rows of tiles, so that those that
  // run at a time read little else than what others of them read too.
  __device__ TilePlace place(std::int64_t b, std::int64_t depth, int rows, int columns) const {
    const std::int64_t begin = part(b) * depth_per_part, end = begin + depth_per_part;
    const std::int64_t tile = b % (down * across), first = tile / (8 * across) * 8, at = tile % (8 * across);
    const std::int64_t group = down - first < 8 ? down - first : 8;
    return {(first + at % group) * rows, at / group * columns, begin, end < depth ? end : depth};
  }
  __device__ std::int64_t part(std::int64_t b) const { return b / (down * across); }
};
// products: how many of them run side by side.
inline TileGrid tile_grid(std::int64_t m, std::int64_t n, std::int64_t depth, std::int64_t products, int rows,
                          int columns, std::int64_t shortest_part = 128) {
  constexpr std::int64_t wanted = 256;  // blocks that keep a large device busy
  TileGrid grid{ceil_div(m, rows), ceil_div(n, columns), 1, depth};
  const std::int64_t tiles = grid.down * grid.across * products;
  if (tiles == 0 || tiles >= wanted / 2 || depth < 2 * shortest_part) return grid;
  const std::int64_t parts = std::min(ceil_div(wanted, tiles), depth / shortest_part);
  grid.depth_per_part = ceil_div(ceil_div(depth, parts), 64) * 64;
  grid.parts = ceil_div(depth, grid.depth_per_part);
  return grid;
}

// body.operator()<Tile>() with the tile that wastes least on a product of m x n elements.
template <typename F>
void visit_tile(std::int64_t m, std::int64_t n, F&& body) {
  if (n <= 16)
    body.template operator()<Tile<64, 16>>();
  else if (m <= 16)
    body.template operator()<Tile<16, 64>>();
  else
    body.template operator()<Tile<64, 64>>();
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
