// Random numbers: 64 elements at a time from 16 Philox counters. Bound by arithmetic (some 1 ns an element a core).
#include "core/ops/random.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "kernels/cpu/blocks.h"
#include "kernels/cpu/level.h"
#include "kernels/cpu/random_words.h"
#include "kernels/distributions.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

using functors::NormalPair;

void uniform(const Draw& draw, const std::uint32_t (&words)[kWords], float (&values)[kWords]) {
  const functors::UniformRange range(draw);
  for (std::int64_t i = 0; i < kWords; ++i) values[i] = range.value(words[i]);
}

void normal(const Draw& draw, const std::uint32_t (&words)[kWords], float (&values)[kWords]) {
  float first[kWords / 2], second[kWords / 2];
  for (std::int64_t i = 0; i < kWords / 2; ++i) {
    const NormalPair z = functors::scaled_normal_pair(draw, words[2 * i], words[2 * i + 1]);
    first[i] = z.first;
    second[i] = z.second;
  }
  for (std::int64_t i = 0; i < kWords / 2; ++i) {
    values[2 * i] = first[i];
    values[2 * i + 1] = second[i];
  }
}

void bernoulli(const Draw& draw, const std::uint32_t (&words)[kWords], float (&values)[kWords]) {
  for (std::int64_t i = 0; i < kWords; ++i) values[i] = functors::bernoulli(draw, words[i]);
}

void fill_values(const Draw& draw, RandomStream stream, std::int64_t begin, float (&values)[kWords]) {
  if (draw.distribution == Distribution::truncated_normal) {
    for (std::int64_t i = 0; i < kWords; ++i)
      values[i] = functors::truncated_normal(draw, stream, std::uint64_t(begin + i));
    return;
  }
  std::uint32_t words[kWords];
  random_words(stream, std::uint64_t(begin) / 4, words);
  switch (draw.distribution) {
    case Distribution::normal: return normal(draw, words, values);
    case Distribution::bernoulli: return bernoulli(draw, words, values);
    default: return uniform(draw, words, values);
  }
}

void run_random(Draw draw, RandomStream stream, const Tensor& y) {
  const std::int64_t n = y.elements(), chunks = (n + kWords - 1) / kWords;
  const DType dtype = y.dtype();
  void* const out = y.raw();
  parallel_for(chunks, 128, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t chunk = first; chunk < last; ++chunk) {
      const std::int64_t begin = chunk * kWords, count = std::min(kWords, n - begin);
      alignas(64) float values[kWords];
      fill_values(draw, stream, begin, values);
      visit_floating(dtype, "random_forward", [&]<typename T>() {
        std::transform(values, values + count, static_cast<T*>(out) + begin, convert<float, T>);
      });
    }
  });
}

void run_permutation(RandomStream stream, const Tensor& y) {
  std::vector<std::pair<std::uint64_t, std::int64_t>> keyed(std::size_t(y.elements()));
  for (std::size_t i = 0; i < keyed.size(); ++i) keyed[i] = {functors::permutation_key(stream, i), std::int64_t(i)};
  std::sort(keyed.begin(), keyed.end());
  std::int64_t* const out = y.data<std::int64_t>();
  for (std::size_t i = 0; i < keyed.size(); ++i) out[i] = keyed[i].second;
}

[[maybe_unused]] const bool registered[] = {
    random_forward.add({.device = kThisDevice, .name = "cpu.philox", .rank = 100, .run = run_random}),
    permutation_forward.add({.device = kThisDevice, .name = "cpu.sort", .rank = 100, .run = run_permutation}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
