// Dropout: one pass, the mask drawn on the fly. Contiguous tensors take 64 elements from 16 Philox counters; other
// layouts draw each element's word on its own, four times as much arithmetic.
#include "core/ops/dropout.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/cpu/level.h"
#include "kernels/cpu/random_words.h"
#include "kernels/distributions.h"
#include "kernels/strided.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

template <typename T>
void dropout_contiguous(std::uint32_t limit, RandomStream stream, Compute<T> scale, const T* x, T* y, std::int64_t n) {
  using C = Compute<T>;
  parallel_for((n + kWords - 1) / kWords, 256, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t chunk = first; chunk < last; ++chunk) {
      const std::int64_t begin = chunk * kWords, count = std::min(kWords, n - begin);
      std::uint32_t words[kWords];
      random_words(stream, std::uint64_t(begin) / 4, words);
      const T* from = x + begin;
      T* to = y + begin;
#pragma omp simd
      for (std::int64_t i = 0; i < count; ++i) {
        const C value = C(from[i]) * scale;
        to[i] = static_cast<T>(words[i] >> 8 < limit ? C(0) : value);
      }
    }
  });
}

template <typename T>
void dropout_strided(std::uint32_t limit, RandomStream stream, Compute<T> scale, const Tensor& x, const Tensor& y) {
  const Strides order = canonical_strides(x.shape(), MemoryFormat::contiguous);
  const StridedLoop<3> loop(x.shape(), {x.strides(), y.strides(), order}, 1);
  const T* from = x.data<T>();
  T* to = y.data<T>();
  parallel_for(loop.rows, std::max<std::int64_t>(1, 4096 / loop.columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const auto at = loop.row_offsets(row);
      for (std::int64_t i = 0; i < loop.columns; ++i) {
        const bool dropped = random_word(stream, std::uint64_t(at[2] + i * loop.step[2])) >> 8 < limit;
        const auto value = static_cast<Compute<T>>(from[at[0] + i * loop.step[0]]) * scale;
        to[at[1] + i * loop.step[1]] = static_cast<T>(dropped ? Compute<T>(0) : value);
      }
    }
  });
}

void run_dropout(double p, RandomStream stream, const Tensor& x, const Tensor& y) {
  if (x.elements() == 0) return;
  visit_floating(x.dtype(), "dropout_forward", [&]<typename T>() {
    const auto scale = static_cast<Compute<T>>(1 / (1 - p));
    if (x.contiguous_format() && y.contiguous_format())
      dropout_contiguous(functors::drop_threshold(p), stream, scale, x.data<T>(), y.data<T>(), x.elements());
    else
      dropout_strided<T>(functors::drop_threshold(p), stream, scale, x, y);
  });
}

[[maybe_unused]] const bool registered[] = {
    dropout_forward.add({.device = kThisDevice, .name = "cpu.philox", .rank = 100, .run = run_dropout}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
