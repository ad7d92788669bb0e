// The innermost loop of matrix products and convolutions: a tile of results stays in registers while rows of numbers
// (broadcast one at a time) meet vectors of numbers. Each result is one chain of fused multiply-adds in the order of
// the walk, so its bits do not depend on which tile it falls into.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/cpu/vector.h"

namespace weft::cpu::WEFT_CPU_LEVEL {

// Tiles of 8 x 3 vectors fill 32 registers, tiles of 4 x 3 fill 16.
inline constexpr int kTileRows = kVectorRegisters == 32 ? 8 : 4;
inline constexpr int kTileVectors = 3;

// For segment in [0, segments), step in [0, steps): rows advance to segment * row_segment + step * row_step, vectors
// to segment * vector_segment + step * vector_step.
struct Walk {
  std::int64_t segments, steps;
  std::int64_t row_segment, row_step;
  std::int64_t vector_segment, vector_step;
};

// result[i][j] = start[i][j] + sum over the walk of rows[i][…] * vectors[… + j]. The last vector of a row of results
// has last_lanes columns. start null stands for zeros; start_row 0 repeats one row (a bias).
template <typename T>
struct Tile {
  const T* const* rows;
  const T* vectors;
  T* result;
  std::int64_t result_row;
  const T* start;
  std::int64_t start_row;
  int last_lanes;
};

// How a tile reads and writes. This one: a number of a row meets all lanes, vectors come and go as they lie in memory.
template <typename T>
struct Plain {
  static constexpr int kVectors = kTileVectors;  // of the widest tile
  static Vec<T> broadcast(const T* number) { return Vec<T>::all(*number); }
  static Vec<T> arrange(Vec<T> vector) { return vector; }
  static Vec<T> finish(Vec<T> result) { return result; }
};

template <typename T, typename Access, int Rows, int Vectors>
void compute_tile(const Walk& walk, const Tile<T>& tile, const Access& access_in) {
  using V = Vec<T>;
  const Access access = access_in;
  const auto last = V::first(tile.last_lanes);
  const auto load = [last](const T* from, int j) __attribute__((always_inline)) {
    return j + 1 < Vectors ? V::load(from + j * V::kLanes) : V::load(from + j * V::kLanes, last);
  };
  V sum[Rows][Vectors];
  const T* row[Rows];
  unrolled<Rows>([&](auto i) __attribute__((always_inline)) {
    row[i] = tile.rows[i];
    unrolled<Vectors>([&](auto j) __attribute__((always_inline)) {
      sum[i][j] = tile.start ? load(tile.start + i * tile.start_row, j) : V::all(0);
    });
  });
  const std::int64_t steps = walk.steps, row_step = walk.row_step, vector_step = walk.vector_step;
  for (std::int64_t segment = 0; segment < walk.segments; ++segment) {
    std::int64_t at = segment * walk.row_segment;
    const T* vector = tile.vectors + segment * walk.vector_segment;
    for (std::int64_t step = 0; step < steps; ++step, at += row_step, vector += vector_step) {
      V right[Vectors];
      unrolled<Vectors>([&](auto j) __attribute__((always_inline)) { right[j] = access.arrange(load(vector, j)); });
      unrolled<Rows>([&](auto i) __attribute__((always_inline)) {
        const V left = access.broadcast(row[i] + at);
        unrolled<Vectors>([&](auto j) __attribute__((always_inline)) { sum[i][j] = fma(left, right[j], sum[i][j]); });
      });
    }
  }
  unrolled<Rows>([&](auto i) __attribute__((always_inline)) {
    unrolled<Vectors>([&](auto j) __attribute__((always_inline)) {
      T* to = tile.result + i * tile.result_row + j * V::kLanes;
      const V result = access.finish(sum[i][j]);
      j + 1 < Vectors ? result.store(to) : result.store(to, last);
    });
  });
}

template <typename T, typename Access>
using TileFunction = void (*)(const Walk&, const Tile<T>&, const Access&);

// The function for tiles of 1 … kTileRows rows and 1 … Access::kVectors vectors.
template <typename T, typename Access>
TileFunction<T, Access> tile_function(std::int64_t rows, std::int64_t vectors) {
  constexpr int widest = Access::kVectors;
  static constexpr auto table = []<int... I>(std::integer_sequence<int, I...>) {
    return std::array<TileFunction<T, Access>, sizeof...(I)>{
        &compute_tile<T, Access, I / widest + 1, I % widest + 1>...};
  }(std::make_integer_sequence<int, kTileRows * widest>());
  return table[static_cast<std::size_t>((rows - 1) * widest + vectors - 1)];
}

// n in pieces of at most `most`, as even as possible: the size of the pieces.
inline std::int64_t even_piece(std::int64_t n, std::int64_t most) {
  const std::int64_t pieces = (n + most - 1) / most;
  return pieces > 0 ? (n + pieces - 1) / pieces : most;
}

// How n columns are cut into panels of at most kTileVectors vectors: the width of all but the last.
template <typename T>
std::int64_t panel_width(std::int64_t n) {
  constexpr std::int64_t lanes = Vec<T>::kLanes;
  return even_piece((n + lanes - 1) / lanes, kTileVectors) * lanes;
}

// Fills a row of results: `count` rows given by row_at(i), in tiles of as even a height as possible.
template <typename T, typename RowAt, typename Access = Plain<T>>
void compute_tiles(const Walk& walk, std::int64_t count, RowAt&& row_at, const T* vectors, std::int64_t columns,
                   T* result, std::int64_t result_row, const T* start, std::int64_t start_row,
                   const Access& access = {}) {
  constexpr std::int64_t lanes = Vec<T>::kLanes;
  const std::int64_t height = even_piece(count, kTileRows), width = (columns + lanes - 1) / lanes;
  const int last_lanes = static_cast<int>(columns - (width - 1) * lanes);
  for (std::int64_t i = 0; i < count; i += height) {
    const std::int64_t rows = height < count - i ? height : count - i;
    const T* row[kTileRows];
    for (std::int64_t r = 0; r < rows; ++r) row[r] = row_at(i + r);
    tile_function<T, Access>(rows, width)(walk,
                                          {row, vectors, result + i * result_row, result_row,
                                           start ? start + i * start_row : nullptr, start_row, last_lanes},
                                          access);
  }
}

}  // namespace weft::cpu::WEFT_CPU_LEVEL
