// Loops over the rows of a matrix for softmax and cross-entropy: the maximum, and exponentials with their sum. Written
// so that the compiler vectorises them; sums are added in an order that depends on the length only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "core/parallel.h"
#include "kernels/functors.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {

inline constexpr std::int64_t kRowChunk = 256;  // elements computed at a time into a buffer on the stack

// The sum of n values: 16 running sums, then those in order.
template <typename C>
C ordered_sum(const C* values, std::int64_t n) {
  C lanes[16] = {};
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int lane = 0; lane < 16; ++lane) lanes[lane] += values[i + lane];
  C sum = 0;
  for (const C lane : lanes) sum += lane;
  for (; i < n; ++i) sum += values[i];
  return sum;
}

// The sum over i < n of f(i), computed a chunk at a time.
template <typename C, typename F>
C sum_of(std::int64_t n, F&& f) {
  C sum = 0;
  for (std::int64_t begin = 0; begin < n; begin += kRowChunk) {
    C values[kRowChunk];
    const std::int64_t count = std::min(kRowChunk, n - begin);
    for (std::int64_t i = 0; i < count; ++i) values[i] = f(begin + i);
    sum += ordered_sum(values, count);
  }
  return sum;
}

template <typename C, typename T>
C row_maximum(const T* row, std::int64_t n) {
  C best = -std::numeric_limits<C>::infinity();
  for (std::int64_t i = 0; i < n; ++i) {
    const C value = static_cast<C>(row[i]);
    best = value > best ? value : best;
  }
  return best;
}

// What normalises a row: log(sum(exp(row))) = peak + log_sum, kept apart because their sum would lose the digits of
// log_sum where the logits are large. NaN where the row holds one, or only -infinity.
template <typename C>
struct Normalizer {
  C peak;     // the largest element
  C log_sum;  // log(sum(exp(row - peak)))
  C log_probability(C x) const { return (x - peak) - log_sum; }
  C probability(C x) const { return functors::exp(log_probability(x)); }
};
template <typename C, typename T>
Normalizer<C> row_normalizer(const T* row, std::int64_t n) {
  const C peak = row_maximum<C>(row, n);
  const C sum = sum_of<C>(n, [&](std::int64_t i) { return functors::exp(static_cast<C>(row[i]) - peak); });
  return {peak, functors::log(sum)};
}

// body(row) for row in [0, rows), rows of `columns` elements split over the threads.
template <typename F>
void each_row(std::int64_t rows, std::int64_t columns, F&& body) {
  parallel_for(rows, 1 + 8'000 / (columns + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) body(row);
  });
}

}  // namespace weft::cpu::WEFT_CPU_LEVEL
