// Matrix products of f16 and bf16 on tensor cores: a block computes one tile of the product, each of its warps a part
// of it in registers, from shared memory that asynchronous copies fill several stages ahead. Operands are read in
// chunks of 8 neighbouring elements (16 bytes), either along the depth or across it; what an operand is, is a struct
// with row(i), step(k) and chunk(row, step).
//
// Note [Chunks in shared memory]: a panel has lines of at least 8 chunks: a line per row where chunks go along the
// depth, a line per step where they go across it. Chunk c of line l lies at place c ^ (l % 8) of its line. So the 8
// chunks of one line that 8 threads copy, and the chunk of 8 lines that load_matrix reads at a time, lie in different
// banks of shared memory, and neither way ever waits.
//
// Note [Which bound]: an estimate, to be measured. Per stage of 64 steps a tile of 128 x 256 copies 48 KiB from L2 and
// does 2 M multiply-adds; its warps of 64 x 64 read 128 KiB of shared memory. If mma.sync reaches 5/8 of a Hopper
// multiprocessor's peak, 1280 multiply-adds a clock, a stage takes 1640 clocks of arithmetic, 1024 + 384 of shared
// memory (128 bytes a clock, reads and writes) and needs 30 bytes a clock from L2: bound by arithmetic, with 1/8 to
// spare. 60 % of 790 TFLOP/s is 1060 multiply-adds a clock and multiprocessor at 1.7 GHz: 83 % of that. Tiles of
// 128 x 128 need 40 bytes a clock.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "core/error.h"
#include "kernels/cuda/device_limits.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/mma.h"
#include "kernels/cuda/tiles.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

// Tiles of M x N elements, in warps of 64 x WarpN.
template <int M, int N, int WarpN, int Stages, int Blocks>
struct TensorTile {
  static constexpr int kRows = M, kColumns = N, kWarpRows = 64, kWarpColumns = WarpN, kDepth = 64, kStages = Stages;
  static constexpr int kWarpsAcross = N / WarpN, kThreads = M / kWarpRows * kWarpsAcross * 32;
  static constexpr int kBlocks = Blocks;  // per multiprocessor: what shared memory and 65536 registers allow
};
using WideTensorTile = TensorTile<128, 256, 64, 4, 1>;   // 256 threads: large products
using TensorSquare = TensorTile<128, 128, 64, 3, 2>;     // 128 threads
using NarrowTensorTile = TensorTile<128, 64, 32, 4, 2>;  // 128 threads: at most 64 columns

// Where 8 elements lie; those beyond the first `bytes` count as zero, and with 0 `from` may be any address.
struct Chunk {
  const void* from;
  int bytes;
};

// Where a row or a step of a matrix is, and how many bytes of a chunk there exist.
struct alignas(16) Limited {
  std::int64_t at;
  int bytes;
};
// Number i of `end`, `step` elements apart; `together` where a chunk holds this one and the 7 behind it.
__device__ inline Limited limited(std::int64_t i, std::int64_t step, std::int64_t end, bool together) {
  const std::int64_t left = end - i;
  return {i * step, left <= 0 ? 0 : together && left < 8 ? static_cast<int>(left) * 2 : 16};
}

// A matrix as an operand: rows of the left one, or columns of the right one. Along: neighbours in memory are steps of
// the depth; else they are rows.
template <typename T, bool Along>
struct TensorMatrix {
  using Place = Limited;
  static constexpr bool kAlong = Along;
  const T* data;
  std::int64_t rows, row_step, depth_step;

  __device__ Limited row(std::int64_t i) const { return limited(i, row_step, rows, !Along); }
  __device__ Limited step(std::int64_t k, std::int64_t end) const { return limited(k, depth_step, end, Along); }
  __device__ Chunk chunk(const Limited& row, const Limited& step) const {
    return {data + (row.at + step.at), row.bytes < step.bytes ? row.bytes : step.bytes};
  }
};

// One operand, `Count` rows (columns) of it. chunk(row, step) is 8 steps of one row where Operand::kAlong, else 8 rows
// of one step; row(i) and step(k) are asked for every 8th i or k in that direction.
template <typename Operand, typename Tile, int Count>
class TensorPanel {
 public:
  using Place = typename Operand::Place;
  static constexpr bool kAlong = Operand::kAlong;
  static constexpr int kLines = kAlong ? Count : Tile::kDepth, kChunks = (kAlong ? Tile::kDepth : Count) / 8;
  static constexpr int kRowPlaces = kAlong ? Count : Count / 8, kSteps = kAlong ? Tile::kDepth / 8 : Tile::kDepth;
  static constexpr int kStage = Count * Tile::kDepth;  // elements
  static constexpr std::size_t kBytes =
      sizeof(std::uint16_t) * kStage * Tile::kStages + sizeof(Place) * (kRowPlaces + 2 * kSteps);

  __device__ TensorPanel(SharedMemory& shared, const Operand& operand, std::int64_t first)
      : operand_(operand),
        values_(shared.array<std::uint16_t>(kStage * Tile::kStages)),
        rows_(shared.array<Place>(kRowPlaces)),
        steps_(shared.array<Place>(2 * kSteps)) {
    for (int i = static_cast<int>(threadIdx.x); i < kRowPlaces; i += Tile::kThreads)
      rows_[i] = operand.row(first + i * (Count / kRowPlaces));
  }

  // The steps of stage number `stage`, which begins at k; there are two tables, so that the stage before can be copied
  // meanwhile.
  __device__ void find_steps(int stage, std::int64_t k, std::int64_t end) {
    const int i = static_cast<int>(threadIdx.x);
    if (i < kSteps) steps_[stage % 2 * kSteps + i] = operand_.step(k + i * (Tile::kDepth / kSteps), end);
  }
  __device__ void copy(int stage) {
    constexpr unsigned lines = Tile::kThreads / kChunks;  // per turn; a multiple of 8, so that all fall on one place
    static_assert(lines % 8 == 0);
    const unsigned line = threadIdx.x / kChunks, c = threadIdx.x % kChunks;
    std::uint16_t* to = values_ + stage % Tile::kStages * kStage + (line * kChunks + (c ^ line % 8)) * 8;
    const Place* steps = steps_ + stage % 2 * kSteps;
#pragma unroll 4
    for (unsigned turn = 0; turn < kLines / lines; ++turn) {
      const unsigned at = line + turn * lines;
      const Chunk chunk = operand_.chunk(rows_[kAlong ? at : c], steps[kAlong ? c : at]);
      copy_async(to + turn * lines * kChunks * 8, chunk.from, chunk.bytes);
    }
  }

  // Row `first` of the panel is where this warp's part begins: a multiple of 16.
  template <bool Left>
  __device__ void aim(int first) {
    const SquareRow at = square_row<Left == kAlong>(static_cast<int>(threadIdx.x) % 32);
    const int line = at.row + (kAlong ? first : 0), c = at.column / 8 + (kAlong ? 0 : first / 8);
    values_aimed_ = values_ + line * kChunks * 8;
    turned_ = c ^ line % 8;
  }
  // The 16 x 16 elements from row first + i and step k of the stage on: for the left operand fragment a, for the right
  // one two neighbouring fragments b. i and k are multiples of 16, so that c ^ line % 8 may be put together from bits.
  __device__ void load(int stage, int i, int k, unsigned (&to)[4]) const {
    const int line = kAlong ? i : k, c = (kAlong ? k : i) / 8;
    load_matrix<!kAlong>(to, values_aimed_ + stage % Tile::kStages * kStage + line * kChunks * 8 + (c ^ turned_) * 8);
  }

 private:
  const Operand& operand_;
  std::uint16_t* values_;
  Place* rows_;
  Place* steps_;
  const std::uint16_t* values_aimed_ = nullptr;  // this lane's line in the first square of its warp's part
  int turned_ = 0;                               // and the place in it where its chunk is
};

template <typename Tile, typename Left, typename Right>
inline constexpr std::size_t kTensorTileBytes =
    TensorPanel<Left, Tile, Tile::kRows>::kBytes + TensorPanel<Right, Tile, Tile::kColumns>::kBytes;

// The same, whatever the operands are.
template <typename Tile>
inline constexpr std::size_t kMostTensorTileBytes =
    std::max({kTensorTileBytes<Tile, TensorMatrix<Half, true>, TensorMatrix<Half, true>>,
              kTensorTileBytes<Tile, TensorMatrix<Half, false>, TensorMatrix<Half, true>>,
              kTensorTileBytes<Tile, TensorMatrix<Half, true>, TensorMatrix<Half, false>>,
              kTensorTileBytes<Tile, TensorMatrix<Half, false>, TensorMatrix<Half, false>>});

// Host code: whether wide tiles of a product of m x n elements fill a large device, and this one can hold them.
inline bool prefers_wide(const Tensor& y, std::int64_t m, std::int64_t n, std::int64_t products) {
  using Tile = WideTensorTile;
  return n > TensorSquare::kColumns && ceil_div(m, Tile::kRows) * ceil_div(n, Tile::kColumns) * products >= 128 &&
         kMostTensorTileBytes<Tile> <= shared_bytes_of(y);
}

// Host code: why a device cannot hold the other tiles, or nothing. GPUs of capability 8.6 and 8.9 cannot.
inline std::string refuse_device(const Tensor& x) {
  constexpr std::size_t needed = std::max(kMostTensorTileBytes<TensorSquare>, kMostTensorTileBytes<NarrowTensorTile>);
  const std::size_t there = shared_bytes_of(x);
  if (needed <= there) return "";
  return message("a block needs ", needed, " bytes of shared memory, and this device has ", there);
}

// A warp's part of the tile: 16 x 8 elements at a time, whose lanes own two neighbours of two rows each.
template <typename Tile>
struct WarpSums {
  static constexpr int kDown = Tile::kWarpRows / 16, kAcross = Tile::kWarpColumns / 8;
  float at[kDown][kAcross][4] = {};
};

template <typename T, typename Tile, typename Left, typename Right>
__device__ void multiply_stage(int stage, const Left& left, const Right& right, WarpSums<Tile>& sums) {
  constexpr int down = WarpSums<Tile>::kDown, across = WarpSums<Tile>::kAcross;
#pragma unroll
  for (int k = 0; k < Tile::kDepth; k += 16) {
    unsigned a[down][4], b[across / 2][4];
#pragma unroll
    for (int i = 0; i < down; ++i) left.load(stage, i * 16, k, a[i]);
#pragma unroll
    for (int j = 0; j < across / 2; ++j) right.load(stage, j * 16, k, b[j]);
#pragma unroll
    for (int i = 0; i < down; ++i)
#pragma unroll
      for (int j = 0; j < across; ++j) {
        const unsigned pair[2] = {b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]};
        mma_m16n8k16<T>(sums.at[i][j], a[i], pair);
      }
  }
}

// A lane asks for store.row(i), the place of a row, and calls store(row, j, x, y) with the elements of columns j and
// j + 1, j even, also of those outside the product.
template <typename T, typename Tile, typename Left, typename Right, typename Store>
__device__ void multiply_tensor_tile(const TilePlace& place, const Left& left_operand, const Right& right_operand,
                                     const Store& store) {
  constexpr int depth = Tile::kDepth, ahead = Tile::kStages - 1;
  SharedMemory shared;
  TensorPanel<Left, Tile, Tile::kRows> left(shared, left_operand, place.i);
  TensorPanel<Right, Tile, Tile::kColumns> right(shared, right_operand, place.j);
  const int stages = static_cast<int>((place.end - place.begin + depth - 1) / depth);
  const auto find_steps = [&](int stage) {
    left.find_steps(stage, place.begin + std::int64_t{stage} * depth, place.end);
    right.find_steps(stage, place.begin + std::int64_t{stage} * depth, place.end);
  };
  const auto copy = [&](int stage) {
    if (stage < stages) left.copy(stage), right.copy(stage);
    commit_copies();  // an empty group too, so that the groups under way count the stages
  };
  find_steps(0);
  for (int stage = 0; stage < ahead; ++stage) {
    __syncthreads();  // the stage's steps are found
    copy(stage);
    find_steps(stage + 1);
  }
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int row = warp / Tile::kWarpsAcross * Tile::kWarpRows, column = warp % Tile::kWarpsAcross * Tile::kWarpColumns;
  left.template aim<true>(row);
  right.template aim<false>(column);
  WarpSums<Tile> sums;
  for (int stage = 0; stage < stages; ++stage) {
    wait_for_copies<ahead - 1>();
    __syncthreads();  // all threads' copies of this stage are there, and nobody reads the stage before any more
    copy(stage + ahead);
    find_steps(stage + ahead + 1);
    multiply_stage<T>(stage, left, right, sums);
  }
#pragma unroll
  for (int i = 0; i < WarpSums<Tile>::kDown; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const auto to = store.row(place.i + row + i * 16 + half * 8 + lane / 4);
#pragma unroll
      for (int j = 0; j < WarpSums<Tile>::kAcross; ++j)
        store(to, place.j + column + j * 8 + lane % 4 * 2, sums.at[i][j][half * 2], sums.at[i][j][half * 2 + 1]);
    }
}

// Two neighbours of a dense row of n elements.
template <typename T>
__device__ inline void store_two(T* row, std::int64_t j, std::int64_t n, bool pairs, float x, float y) {
  if (pairs && j + 1 < n) {
    store_pack(row + j, Pack<T, 2>{{T(x), T(y)}});
  } else {
    if (j < n) row[j] = T(x);
    if (j + 1 < n) row[j + 1] = T(y);
  }
}

// A dense matrix (m, n) of sums, or of results with a bias.
template <typename T>
struct MatrixStore {
  std::int64_t m, n;
  T* y;
  const T* bias;  // null: none
  bool pairs;     // whether two elements may be written at once: rows begin at even places

  __device__ T* row(std::int64_t i) const { return i < m ? y + i * n : nullptr; }
  __device__ void operator()(T* row, std::int64_t j, float x, float y) const {
    if (!row) return;
    if (bias && j < n) x += static_cast<float>(bias[j]);
    if (bias && j + 1 < n) y += static_cast<float>(bias[j + 1]);
    store_two(row, j, n, pairs, x, y);
  }
};

}  // namespace weft::cuda::WEFT_CUDA_BUILD
