// The transforms of Winograd's minimal filtering, F(4 x 4, 3 x 3) and F(2 x 2, 5 x 5): both see 6 x 6 input pixels, so
// they share the points 0, ±5/8, ±3/2 and infinity (Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", CVPR 2016). These points, exact in binary, keep the error within twice that of the direct sum, where the
// usual 0, ±1, ±2 make it four times; each row of the input transform is scaled by a power of two.
#pragma once

#include "kernels/cpu/vector.h"

namespace weft::cpu::WEFT_CPU_LEVEL {

inline constexpr int kPatch = 6;                                          // input pixels a tile sees, along an axis
inline constexpr int kPositions = kPatch * kPatch;                        // independent matrix products
inline constexpr int tile_of(int filter) { return kPatch + 1 - filter; }  // output pixels of a tile, along an axis

inline constexpr double kPoint[kPatch - 1] = {0, 0.625, -0.625, 1.5, -1.5};

constexpr double power(double x, int n) { return n == 0 ? 1 : x * power(x, n - 1); }

// Bᵀ (6, 6): row i holds the coefficients of the product over the other points of (x - point); the last row, for
// infinity, that over all points. Scaled so that its largest coefficient lies in [1, 2).
struct InputMatrix {
  static constexpr int kRows = kPatch, kColumns = kPatch;
  static constexpr double unscaled(int i, int j) {
    double product[kPatch + 1] = {1};
    int degree = 0;
    for (int point = 0; point < kPatch - 1; ++point) {
      if (point == i) continue;
      ++degree;
      for (int k = degree; k >= 0; --k) product[k] = (k > 0 ? product[k - 1] : 0) - kPoint[point] * product[k];
    }
    return product[j];
  }
  static constexpr double scale(int i) {
    double largest = 0, factor = 1;
    for (int j = 0; j < kPatch; ++j) {
      const double size = unscaled(i, j) < 0 ? -unscaled(i, j) : unscaled(i, j);
      largest = size > largest ? size : largest;
    }
    while (largest * factor >= 2) factor /= 2;
    while (largest * factor < 1) factor *= 2;
    return factor;
  }
  static constexpr double at(int i, int j) { return unscaled(i, j) * scale(i); }
};

// G (6, R): the filter's polynomial at each point, over the product of its distances to the other points.
template <int R>
struct FilterMatrix {
  static constexpr int kRows = kPatch, kColumns = R;
  static constexpr double at(int i, int j) {
    if (i == kPatch - 1) return (j == R - 1 ? 1 : 0) / InputMatrix::scale(i);
    double distances = 1;
    for (int point = 0; point < kPatch - 1; ++point)
      if (point != i) distances *= kPoint[i] - kPoint[point];
    return power(kPoint[i], j) / distances / InputMatrix::scale(i);
  }
};

// Aᵀ (6 + 1 - R, 6): powers of the points.
template <int R>
struct OutputMatrix {
  static constexpr int kRows = tile_of(R), kColumns = kPatch;
  static constexpr double at(int i, int j) {
    if (j == kPatch - 1) return i == kRows - 1 ? 1 : 0;
    return power(kPoint[j], i);
  }
};

template <typename Matrix>
struct Transposed {
  static constexpr int kRows = Matrix::kColumns, kColumns = Matrix::kRows;
  static constexpr double at(int i, int j) { return Matrix::at(j, i); }
};

// out = matrix · in, for arrays of vectors whose elements lie in_step and out_step apart; zeros and ones cost nothing.
template <typename Matrix>
[[gnu::always_inline]] inline void multiply_vectors(const Vec<float>* in, int in_step, Vec<float>* out, int out_step) {
  using V = Vec<float>;
  unrolled<Matrix::kRows>([&](auto i) __attribute__((always_inline)) {
    V sum = V::all(0);
    bool first = true;
    unrolled<Matrix::kColumns>([&](auto j) __attribute__((always_inline)) {
      constexpr double factor = Matrix::at(i, j);
      const V x = in[j * in_step];
      if constexpr (factor == 1) {
        sum = first ? x : sum + x;
        first = false;
      } else if constexpr (factor != 0) {
        sum = first ? x * V::all(float(factor)) : fma(V::all(float(factor)), x, sum);
        first = false;
      }
    });
    out[i * out_step] = sum;
  });
}

// out = matrix · in · matrixᵀ: in (columns, columns) and out (rows, rows), row-major.
template <typename Matrix>
inline void transform(const Vec<float>* in, Vec<float>* out) {
  constexpr int rows = Matrix::kRows, columns = Matrix::kColumns;
  Vec<float> half[rows * columns];
  for (int j = 0; j < columns; ++j) multiply_vectors<Matrix>(in + j, columns, half + j, columns);
  for (int i = 0; i < rows; ++i) multiply_vectors<Matrix>(half + i * columns, 1, out + i * rows, 1);
}

}  // namespace weft::cpu::WEFT_CPU_LEVEL
