// Matrix product on the CPU for float and double: operands with any strides, a result with unit column stride. Each
// element of c is one chain of fused multiply-adds over k in rising order, so its bits do not depend on blocking, on
// how the work is split, or on the number of threads.
//
// A tile of kTileRows x 3 vectors of c stays in registers (Goto and van de Geijn, "Anatomy of high-performance matrix
// multiplication", 2008). b is packed into panels as wide as a tile where it is used often enough; a is read in place
// where its rows are contiguous, else packed.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/parallel.h"
#include "kernels/cpu/buffer.h"
#include "kernels/cpu/tile.h"

namespace weft::cpu::WEFT_CPU_LEVEL {

template <typename T>
struct Operand {
  const T* data;
  std::int64_t row, column;  // strides in elements
  Operand at(std::int64_t i, std::int64_t j) const { return {data + i * row + j * column, row, column}; }
};

// c (m, n) = a (m, k) b (k, n) + bias (n), or c += a b; then max(c, 0) with relu.
template <typename T>
struct Product {
  std::int64_t m, n, k;
  Operand<T> a, b;
  T* c;
  std::int64_t c_row;
  const T* bias = nullptr;
  bool add = false;
  bool relu = false;
};

template <typename T>
void clip_below_zero(const Product<T>& p) {
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t j = 0; j < p.n; ++j)
      p.c[i * p.c_row + j] = p.c[i * p.c_row + j] < 0 ? T(0) : p.c[i * p.c_row + j];
}

inline constexpr std::int64_t kDepth = 256;         // k per pass: a panel of b is kDepth x 48 floats, 48 KiB
inline constexpr std::int64_t kBlockRows = 128;     // rows of a packed at a time: 128 KiB
inline constexpr std::int64_t kBlockColumns = 768;  // columns of b packed at a time: 768 KiB

// Panels of `width` columns, each (k, width) without gaps, padded with zeros on the right.
template <typename T>
void pack_columns(std::int64_t k, std::int64_t n, Operand<T> b, std::int64_t width, T* to) {
  for (std::int64_t j0 = 0; j0 < n; j0 += width, to += k * width) {
    const std::int64_t columns = std::min(width, n - j0);
    if (columns < width) std::fill(to, to + k * width, T(0));
    const T* from = b.data + j0 * b.column;
    if (b.column == 1) {
      for (std::int64_t i = 0; i < k; ++i) std::copy_n(from + i * b.row, columns, to + i * width);
    } else {
      // A transposed operand: blocks of 16 rows keep the cache lines of both sides while they are used.
      for (std::int64_t i0 = 0; i0 < k; i0 += 16)
        for (std::int64_t j = 0; j < columns; ++j)
          for (std::int64_t i = i0; i < std::min(k, i0 + 16); ++i) to[i * width + j] = from[i * b.row + j * b.column];
    }
  }
}

// One range of k: all tiles. packed: b in panels of `width` columns; null: b is read in place.
template <typename T>
void multiply_block(const Product<T>& p, const T* packed, std::int64_t width) {
  const Walk walk{1, p.k, 0, p.a.column, 0, packed ? width : p.b.row};
  for (std::int64_t j = 0; j < p.n; j += width) {
    T* c = p.c + j;
    const T* start = p.add ? c : p.bias ? p.bias + j : nullptr;
    compute_tiles(
        walk, p.m, [&](std::int64_t i) { return p.a.data + i * p.a.row; }, packed ? packed + j * p.k : p.b.data + j,
        std::min(width, p.n - j), c, p.c_row, start, p.add ? p.c_row : 0);
  }
}

// The product on the calling thread.
template <typename T>
void multiply(const Product<T>& p) {
  if (p.m == 0 || p.n == 0) return;
  constexpr std::int64_t lanes = Vec<T>::kLanes;
  const std::int64_t width = panel_width<T>(std::min(p.n, kBlockColumns));
  const bool pack_b = p.b.column != 1 || p.m > 2 * kTileRows;
  const bool pack_a = p.a.column != 1 && p.n > kTileVectors * lanes;
  const std::int64_t block_columns = kBlockColumns / width * width;
  const std::int64_t depth_piece = std::max<std::int64_t>(1, even_piece(p.k, kDepth));
  const Buffer<T> b(pack_b ? depth_piece * ((std::min(p.n, block_columns) + width - 1) / width * width) : 0);
  const Buffer<T> a(pack_a ? depth_piece * std::min(p.m, kBlockRows) : 0);
  for (std::int64_t j = 0; j < p.n; j += block_columns) {
    const std::int64_t columns = std::min(block_columns, p.n - j);
    for (std::int64_t k = 0; k == 0 || k < p.k; k += depth_piece) {
      const std::int64_t depth = std::min(depth_piece, p.k - k);
      if (pack_b) pack_columns(depth, columns, p.b.at(k, j), width, b.data());
      for (std::int64_t i = 0; i < p.m; i += kBlockRows) {
        const std::int64_t rows = std::min(kBlockRows, p.m - i);
        Operand<T> left = p.a.at(i, k);
        if (pack_a) {
          pack_columns(depth, rows, Operand<T>{left.data, left.column, left.row}, rows, a.data());
          left = {a.data(), 1, rows};
        }
        const Product<T> block{rows,          columns,
                               depth,         left,
                               p.b.at(k, j),  p.c + i * p.c_row + j,
                               p.c_row,       p.bias ? p.bias + j : nullptr,
                               p.add || k > 0};
        multiply_block<T>(block, pack_b ? b.data() : nullptr, width);
        if (p.relu && k + depth == p.k) clip_below_zero(block);  // while it is in the cache
      }
    }
  }
}

// The product split over the threads into a grid of row and column ranges; the grid with the least work per thread,
// where packing an element of b counts as 8 multiply-adds of a vector lane each.
template <typename T>
void parallel_multiply(const Product<T>& p) {
  const int team = threads();
  if (team == 1 || p.m * p.n * p.k < 200'000) return multiply(p);
  std::int64_t best = 0, best_rows = 0, best_columns = 0;
  for (int across = 1; across <= team; ++across) {
    if (team % across != 0) continue;
    const std::int64_t down = team / across;
    const std::int64_t rows = ((p.m + down - 1) / down + kTileRows - 1) / kTileRows * kTileRows;
    const std::int64_t columns = ((p.n + across - 1) / across + Vec<T>::kLanes - 1) / Vec<T>::kLanes * Vec<T>::kLanes;
    const std::int64_t work = (rows + 8) * columns;
    if (best != 0 && work >= best) continue;
    best = work, best_rows = rows, best_columns = columns;
  }
  const std::int64_t down = (p.m + best_rows - 1) / best_rows, across = (p.n + best_columns - 1) / best_columns;
  parallel_parts(down * across, [&](std::int64_t part) {
    const std::int64_t i = part / across * best_rows, j = part % across * best_columns;
    multiply<T>({std::min(best_rows, p.m - i), std::min(best_columns, p.n - j), p.k, p.a.at(i, 0), p.b.at(0, j),
                 p.c + i * p.c_row + j, p.c_row, p.bias ? p.bias + j : nullptr, p.add, p.relu});
  });
}

// sums[j] = sum over i of x[i][j]; rows in rising order, so the bits do not depend on the split over columns.
template <typename T>
void column_sums(std::int64_t rows, std::int64_t columns, Operand<T> x, T* sums) {
  parallel_for(columns, 1 + 30'000 / (rows + 1), [&](std::int64_t begin, std::int64_t end) {
    std::fill(sums + begin, sums + end, T(0));
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = begin; j < end; ++j) sums[j] += x.data[i * x.row + j * x.column];
  });
}

}  // namespace weft::cpu::WEFT_CPU_LEVEL
