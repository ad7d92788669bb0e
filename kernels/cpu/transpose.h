// Transposes a matrix of words (1 to 8 bytes, moved as bits) through vector registers. Square tiles, a vector to a
// side, go through log2(side) rounds of interleaving; a matrix narrower than a tile is moved word by word.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/cpu/vector.h"

namespace weft::cpu::WEFT_CPU_LEVEL {

// Of the longer and of the shorter side of what is transposed at a time, in words.
inline constexpr std::int64_t kTransposedStretch = 1024, kTransposedRows = 64;

// y (rows, columns) with rows `pitch` words apart = the transposed of x (columns, rows). Both have adjacent words along
// their last axis.
template <typename Word>
struct Transposition {
  const Word* x;
  std::int64_t x_pitch;
  Word* y;
  std::int64_t y_pitch;

  Transposition at(std::int64_t row, std::int64_t column) const {
    return {x + column * x_pitch + row, x_pitch, y + row * y_pitch + column, y_pitch};
  }
};

// Side words in a vector of the compiler's own kind, which becomes a register of the level.
template <typename Word, int Side>
struct Lanes {
  typedef Word Vector __attribute__((vector_size(Side * sizeof(Word))));

  // The lower or upper halves of a and b, word by word: a0 b0 a1 b1 ….
  template <bool Upper>
  static void interleave(const Vector& a, const Vector& b, Vector& out) {
    [&]<int... I>(std::integer_sequence<int, I...>) {
      out = __builtin_shufflevector(a, b, ((Upper ? Side / 2 : 0) + I / 2 + I % 2 * Side)...);
    }(std::make_integer_sequence<int, Side>());
  }
};

// Interleaving vector i with vector i + Side/2 moves the top bit of a word's vector number to the bottom of its lane
// number; after log2(Side) rounds the two numbers have changed places.
template <int Side, typename Word>
void transpose_tile(const Transposition<Word>& m) {
  using L = Lanes<Word, Side>;
  using V = typename L::Vector;
  V tile[Side];
  unrolled<Side>([&](auto i) { std::memcpy(&tile[i], m.x + i * m.x_pitch, sizeof(V)); });
  unrolled<std::bit_width(unsigned(Side)) - 1>([&](auto) {
    V next[Side];
    unrolled<Side / 2>([&](auto i) {
      L::template interleave<false>(tile[i], tile[i + Side / 2], next[2 * i]);
      L::template interleave<true>(tile[i], tile[i + Side / 2], next[2 * i + 1]);
    });
    unrolled<Side>([&](auto i) { tile[i] = next[i]; });
  });
  unrolled<Side>([&](auto i) { std::memcpy(m.y + i * m.y_pitch, &tile[i], sizeof(V)); });
}

// rows and columns at least Side: the last tiles overlap those before them. Along the longer side, so that Side long
// runs of memory are walked together and the prefetchers follow; a stretch at a time, which stays in the cache until
// the other ends of its lines are wanted.
template <int Side, typename Word>
void transpose_tiles(const Transposition<Word>& m, std::int64_t rows, std::int64_t columns) {
  const auto tile = [&](std::int64_t r, std::int64_t c) {
    transpose_tile<Side>(m.at(std::min(r, rows - Side), std::min(c, columns - Side)));
  };
  if (rows > columns) {
    for (std::int64_t c = 0; c < columns; c += Side)
      for (std::int64_t r = 0; r < rows; r += Side) tile(r, c);
  } else {
    for (std::int64_t c0 = 0; c0 < columns; c0 += kTransposedStretch)
      for (std::int64_t r = 0; r < rows; r += Side)
        for (std::int64_t c = c0; c < std::min(columns, c0 + kTransposedStretch); c += Side) tile(r, c);
  }
}

// Callers cut the rows: to kTransposedStretch where they are the longer side, else to kTransposedRows.
template <typename Word>
void transpose(const Transposition<Word>& m, std::int64_t rows, std::int64_t columns) {
  constexpr int kSide = std::min<int>(16, kVectorBytes / sizeof(Word));
  const std::int64_t least = std::min(rows, columns);
  if constexpr (kSide > 8)
    if (least >= 16) return transpose_tiles<16>(m, rows, columns);
  if constexpr (kSide > 4)
    if (least >= 8) return transpose_tiles<8>(m, rows, columns);
  constexpr int kSmall = std::min(4, kSide);
  if (least >= kSmall) return transpose_tiles<kSmall>(m, rows, columns);
  const auto word = [&](std::int64_t r, std::int64_t c) { m.y[r * m.y_pitch + c] = m.x[c * m.x_pitch + r]; };
  if (rows > columns) {
    for (std::int64_t c = 0; c < columns; ++c)
      for (std::int64_t r = 0; r < rows; ++r) word(r, c);
  } else {
    for (std::int64_t c0 = 0; c0 < columns; c0 += kTransposedStretch)
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = c0; c < std::min(columns, c0 + kTransposedStretch); ++c) word(r, c);
  }
}

}  // namespace weft::cpu::WEFT_CPU_LEVEL
