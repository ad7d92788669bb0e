// Random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011),
// keyed by the seed, counter = (element index, stream). Any element of any stream is computed on its own, so every
// device, thread count and split of the work draws the same bits. Header-only: kernels of all backends include it.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#if defined(__CUDACC__)
#define WEFT_HOST_DEVICE __host__ __device__
#else
#define WEFT_HOST_DEVICE
#endif

namespace weft {

// Names one sequence of random numbers; a kernel argument.
struct RandomStream {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;
  // In a recorded step (core/runtime/capture.h): where, on the device, the number stands by which the stream's number
  // has moved on since the recording. Kernels of devices that record call resolved() first.
  const std::uint64_t* advance = nullptr;
  template <typename F>
  void each_pointer(F&& visit) {
    visit(advance);
  }
};
WEFT_HOST_DEVICE inline RandomStream resolved(RandomStream s) {
  return {s.seed, s.stream + (s.advance ? *s.advance : 0), nullptr};
}

struct Philox4 {
  std::uint32_t word[4];
};

// Ten rounds over a 128-bit counter with a 64-bit key.
WEFT_HOST_DEVICE inline Philox4 philox4x32(Philox4 counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * counter.word[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{std::uint32_t(product1 >> 32) ^ counter.word[1] ^ key0, std::uint32_t(product1),
                std::uint32_t(product0 >> 32) ^ counter.word[3] ^ key1, std::uint32_t(product0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// Four 32-bit words for elements 4 * block … 4 * block + 3 of the stream.
WEFT_HOST_DEVICE inline Philox4 random_block(RandomStream s, std::uint64_t block) {
  return philox4x32(
      {{std::uint32_t(block), std::uint32_t(block >> 32), std::uint32_t(s.stream), std::uint32_t(s.stream >> 32)}},
      std::uint32_t(s.seed), std::uint32_t(s.seed >> 32));
}
WEFT_HOST_DEVICE inline std::uint32_t random_word(RandomStream s, std::uint64_t index) {
  return random_block(s, index / 4).word[index % 4];
}

// A word as a float in [0, 1): its top 24 bits, all multiples of 2^-24.
WEFT_HOST_DEVICE inline float uniform_from(std::uint32_t word) { return float(word >> 8) * 0x1p-24f; }

// Uniform integer in [0, n) for element `index` of a stream, n < 2^32: multiply-shift (bias below n / 2^32).
WEFT_HOST_DEVICE inline std::uint32_t below_from(std::uint32_t word, std::uint32_t n) {
  return std::uint32_t(std::uint64_t{word} * n >> 32);
}

// What a stream number is used for: the top byte, so that purposes never collide.
enum class RandomPurpose : std::uint64_t { user = 0, init = 1, dropout = 2, order = 3, augment = 4, synthetic = 5 };
constexpr std::uint64_t stream_number(RandomPurpose purpose, std::uint64_t number) {
  return static_cast<std::uint64_t>(purpose) << 56 | (number & ((std::uint64_t{1} << 56) - 1));
}

}  // namespace weft
