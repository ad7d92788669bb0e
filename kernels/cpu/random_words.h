// Random words of a stream in blocks, several Philox counters side by side so that the rounds vectorise.
#pragma once

#include <cstdint>

#include "core/random.h"
#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {

inline constexpr std::int64_t kCounters = 16;          // counters side by side
inline constexpr std::int64_t kWords = 4 * kCounters;  // words they give

// The words of the elements 4 * first_block … of the stream, as random_word() gives them one by one.
inline void random_words(RandomStream stream, std::uint64_t first_block, std::uint32_t (&words)[kWords]) {
  std::uint32_t a[kCounters], b[kCounters], c[kCounters], d[kCounters];
  for (std::int64_t i = 0; i < kCounters; ++i) {
    const Philox4 w = random_block(stream, first_block + std::uint64_t(i));
    a[i] = w.word[0];
    b[i] = w.word[1];
    c[i] = w.word[2];
    d[i] = w.word[3];
  }
  for (std::int64_t i = 0; i < kCounters; ++i) {
    words[4 * i] = a[i];
    words[4 * i + 1] = b[i];
    words[4 * i + 2] = c[i];
    words[4 * i + 3] = d[i];
  }
}

}  // namespace weft::cpu::WEFT_CPU_LEVEL
