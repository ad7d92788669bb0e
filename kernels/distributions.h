// Random words as numbers of a distribution, as core/ops/random.h promises them; shared by CPU and CUDA, so that both
// give the same bits.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/ops/random.h"
#include "kernels/elementary.h"

namespace weft::functors {

// Uniform in [low, high): rounding may reach `high`, which is outside.
struct UniformRange {
  float low, range, last;
  explicit UniformRange(const Draw& draw)
      : low(draw.a), range(draw.b - draw.a), last(draw.a < draw.b ? std::nextafter(draw.b, draw.a) : draw.a) {}
  WEFT_HOST_DEVICE float value(std::uint32_t word) const {
    const float x = std::fma(uniform_from(word), range, low);
    return last < x ? last : x;
  }
};

WEFT_HOST_DEVICE inline NormalPair scaled_normal_pair(const Draw& draw, std::uint32_t word_a, std::uint32_t word_b) {
  const NormalPair z = normal_pair(word_a, word_b);
  return {std::fma(z.first, draw.b, draw.a), std::fma(z.second, draw.b, draw.a)};
}

WEFT_HOST_DEVICE inline float bernoulli(const Draw& draw, std::uint32_t word) {
  return uniform_from(word) < draw.a ? 1.0f : 0.0f;
}

// Element `index` tries the four normals of block index, then of block index + 2^44, index + 2 * 2^44 …
WEFT_HOST_DEVICE inline float truncated_normal(const Draw& draw, RandomStream stream, std::uint64_t index) {
  for (std::uint64_t attempt = 0; attempt < (1u << 16); ++attempt) {
    const Philox4 w = random_block(stream, index + (attempt << 44));
    for (int half = 0; half < 4; half += 2) {
      const NormalPair z = scaled_normal_pair(draw, w.word[half], w.word[half + 1]);
      if (z.first >= draw.low && z.first <= draw.high) return z.first;
      if (z.second >= draw.low && z.second <= draw.high) return z.second;
    }
  }
  return draw.low;
}

// Dropout drops where u < p for u = (word >> 8) / 2^24, which is word >> 8 < this.
inline std::uint32_t drop_threshold(double p) { return std::uint32_t(std::ceil(p * 0x1p24)); }

// The key by which number i of a permutation is sorted.
WEFT_HOST_DEVICE inline std::uint64_t permutation_key(RandomStream stream, std::uint64_t i) {
  const Philox4 w = random_block(stream, i / 2);
  return i % 2 == 0 ? std::uint64_t{w.word[0]} << 32 | w.word[1] : std::uint64_t{w.word[2]} << 32 | w.word[3];
}

}  // namespace weft::functors
