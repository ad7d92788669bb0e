// Copy, convert and fill on the CPU. Memory-bound: reads and writes each element once; equal dense layouts of one
// dtype are one memory move, everything else walks the axes of y from the slowest to the fastest.

#include "core/ops/copy.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "core/parallel.h"
#include "kernels/cpu/level.h"
#include "kernels/cpu/strided.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

constexpr std::int64_t kGrain = 32 * 1024;  // elements per thread below which a second thread costs more than it saves

// Double to float, rounded to odd: a further rounding to 16 bits then gives what direct rounding would.
float to_odd_float(double value) {
  const float nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || std::isnan(value)) return nearest;
  auto bits = std::bit_cast<std::uint32_t>(nearest);
  if (std::fabs(static_cast<double>(nearest)) > std::fabs(value)) --bits;
  return std::bit_cast<float>(bits | 1u);
}

template <typename To, typename From>
To convert(From value) {
  constexpr bool from_16 = std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>;
  constexpr bool to_16 = std::is_same_v<To, Half> || std::is_same_v<To, BFloat16>;
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (from_16) {
    return convert<To>(static_cast<float>(value));
  } else if constexpr (to_16) {
    if constexpr (std::is_same_v<From, float>) return To(value);
    return To(to_odd_float(static_cast<double>(value)));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    constexpr From low = static_cast<From>(std::numeric_limits<To>::min());
    constexpr From high = static_cast<From>(std::numeric_limits<To>::max());  // may round up to 2^31 or 2^63
    if (!(value > low)) return value <= low ? std::numeric_limits<To>::min() : To{0};
    return value >= high ? std::numeric_limits<To>::max() : static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

// y[i * sy] = x[i * sx] for i in [begin, end).
template <typename To, typename From>
void copy_run(const From* x, std::int64_t sx, To* y, std::int64_t sy, std::int64_t begin, std::int64_t end) {
  if (sx == 1 && sy == 1)
    for (std::int64_t i = begin; i < end; ++i) y[i] = convert<To>(x[i]);
  else
    for (std::int64_t i = begin; i < end; ++i) y[i * sy] = convert<To>(x[i * sx]);
}

template <typename To, typename From>
void copy_rows(const From* x, To* y, const StridedLoop<2>& loop) {
  if (loop.rows == 1) {
    parallel_for(loop.columns, kGrain, [&](std::int64_t begin, std::int64_t end) {
      copy_run(x, loop.step[0], y, loop.step[1], begin, end);
    });
    return;
  }
  parallel_for(loop.rows, std::max<std::int64_t>(1, kGrain / loop.columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const auto at = loop.row_offsets(row);
      copy_run(x + at[0], loop.step[0], y + at[1], loop.step[1], 0, loop.columns);
    }
  });
}

bool same_dense_layout(const Tensor& x, const Tensor& y) {
  return x.format() == y.format() && x.layout().dense() && y.layout().dense();
}

void copy(const Tensor& x, const Tensor& y) {
  if (x.elements() == 0) return;
  if (x.dtype() == y.dtype() && same_dense_layout(x, y)) {
    const auto* from = static_cast<const std::byte*>(x.raw());
    auto* to = static_cast<std::byte*>(y.raw());
    parallel_for(static_cast<std::int64_t>(x.bytes()), 256 * 1024, [&](std::int64_t begin, std::int64_t end) {
      std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
    });
    return;
  }
  const StridedLoop<2> loop(x.shape(), {x.strides(), y.strides()}, 1);
  visit_any(x.dtype(), "copy", [&]<typename From>() {
    visit_any(y.dtype(), "copy", [&]<typename To>() {
      copy_rows(static_cast<const From*>(x.raw()), static_cast<To*>(y.raw()), loop);
    });
  });
}

void fill(double value, const Tensor& y) {
  if (y.elements() == 0) return;
  const StridedLoop<1> loop(y.shape(), {y.strides()}, 0);
  visit_any(y.dtype(), "fill", [&]<typename T>() {
    const T v = convert<T>(value);
    T* to = static_cast<T*>(y.raw());
    if (loop.rows == 1 && loop.step[0] == 1) {
      parallel_for(loop.columns, kGrain,
                   [&](std::int64_t begin, std::int64_t end) { std::fill(to + begin, to + end, v); });
      return;
    }
    for (std::int64_t row = 0; row < loop.rows; ++row) {
      T* at = to + loop.row_offsets(row)[0];
      if (loop.step[0] == 1)
        std::fill(at, at + loop.columns, v);
      else
        for (std::int64_t i = 0; i < loop.columns; ++i) at[i * loop.step[0]] = v;
    }
  });
}

const bool registered[] = {
    copy_forward.add({.device = kThisDevice, .name = "cpu.rows", .rank = 100, .run = copy}),
    fill_forward.add({.device = kThisDevice, .name = "cpu.rows", .rank = 100, .run = fill}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
