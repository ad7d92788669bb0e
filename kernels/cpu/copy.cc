// Copy, convert and fill on the CPU. Memory-bound: reads and writes each element once. Equal dense layouts of one dtype
// are one memory move; one dtype in other layouts is moved by its size, transposed in tiles where x and y are
// contiguous along different axes; a change of dtype goes through blocks of f32, f64 or i64 (blocks.h), so that nine
// conversions serve all pairs.

#include "core/ops/copy.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/conversion.h"
#include "kernels/cpu/blocks.h"
#include "kernels/cpu/transpose.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

using functors::to_integer;
using functors::to_odd_float;

constexpr std::int64_t kMoveGrain = 256 * 1024;  // bytes

// --- one dtype ------------------------------------------------------------------------------------------------

// y[i * sy] = x[i * sx] for i in [begin, end).
template <typename Word>
void move_run(const Word* x, std::int64_t sx, Word* y, std::int64_t sy, std::int64_t begin, std::int64_t end) {
  if (sx == 1 && sy == 1)
    std::memcpy(y + begin, x + begin, static_cast<std::size_t>(end - begin) * sizeof(Word));
  else
    for (std::int64_t i = begin; i < end; ++i) y[i * sy] = x[i * sx];
}

// Where y's words are adjacent along one axis and x's along another, these two make a matrix to transpose, for every
// row of the loop over the others. A unit of work is a matrix, or some rows of a large one.
template <typename Word>
void transpose_all(const StridedLoop<2>& loop, const StridedLoop<2>::Axis& axis, const Word* from, Word* to) {
  const std::int64_t most = axis.size > loop.columns ? kTransposedStretch : kTransposedRows;  // rows of a part
  const std::int64_t parts = (axis.size + most - 1) / most;
  const std::int64_t grain = 1 + kGrain * parts / (axis.size * loop.columns);
  parallel_for(loop.rows * parts, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const auto offset = loop.row_offsets(unit / parts);
      const std::int64_t part = unit % parts, first = axis.size * part / parts, last = axis.size * (part + 1) / parts;
      const Transposition<Word> whole{from + offset[0], loop.step[0], to + offset[1], axis.stride[1]};
      transpose(whole.at(first, 0), last - first, loop.columns);
    }
  });
}

template <typename Word>
void move_words(const Tensor& x, const Tensor& y) {
  StridedLoop<2> loop(x.shape(), {x.strides(), y.strides()}, 1);
  const auto* from = static_cast<const Word*>(x.raw());
  auto* to = static_cast<Word*>(y.raw());
  if (loop.step[0] > 1 && loop.step[1] == 1)
    if (const auto axis = loop.take_adjacent(0)) return transpose_all(loop, *axis, from, to);
  if (loop.rows == 1) {
    parallel_for(loop.columns, kGrain, [&](std::int64_t begin, std::int64_t end) {
      move_run(from, loop.step[0], to, loop.step[1], begin, end);
    });
    return;
  }
  parallel_for(loop.rows, std::max<std::int64_t>(1, kGrain / loop.columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const auto at = loop.row_offsets(row);
      move_run(from + at[0], loop.step[0], to + at[1], loop.step[1], 0, loop.columns);
    }
  });
}

void move(const Tensor& x, const Tensor& y) {
  if (x.format() == y.format() && x.layout().dense() && y.layout().dense()) {
    const auto* from = static_cast<const std::byte*>(x.raw());
    auto* to = static_cast<std::byte*>(y.raw());
    parallel_for(static_cast<std::int64_t>(x.bytes()), kMoveGrain, [&](std::int64_t begin, std::int64_t end) {
      std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
    });
    return;
  }
  switch (bytes_of(x.dtype())) {
    case 1: return move_words<std::uint8_t>(x, y);
    case 2: return move_words<std::uint16_t>(x, y);
    case 4: return move_words<std::uint32_t>(x, y);
    default: return move_words<std::uint64_t>(x, y);
  }
}

// --- another dtype --------------------------------------------------------------------------------------------

// What a conversion must know of the target beyond its block type.
struct Target {
  bool boolean, sixteen_bit;
  std::int64_t low, high;  // the range of an integer
};

Target target_of(DType dtype) {
  Target t{dtype == DType::boolean, dtype == DType::f16 || dtype == DType::bf16, 0, 0};
  if (!is_floating(dtype) && dtype != DType::boolean)
    visit_index(dtype, "copy",
                [&]<typename T>() { t.low = std::numeric_limits<T>::min(), t.high = std::numeric_limits<T>::max(); });
  return t;
}

template <typename From, typename To>
void convert_block(const void* scalars, const void* const* in, void* out, std::int64_t n) {
  const Target& t = *static_cast<const Target*>(scalars);
  const auto* x = static_cast<const From*>(in[0]);
  auto* y = static_cast<To*>(out);
  if constexpr (std::is_same_v<From, To>) {
    if (x != y) std::copy(x, x + n, y);
  } else if constexpr (std::is_same_v<To, std::int64_t>) {
    if (t.boolean)
      for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] != 0;
    else
      for (std::int64_t i = 0; i < n; ++i) y[i] = to_integer(static_cast<double>(x[i]), t.low, t.high);
  } else if (std::is_same_v<To, float> && t.sixteen_bit) {
    for (std::int64_t i = 0; i < n; ++i) y[i] = static_cast<To>(to_odd_float(static_cast<double>(x[i])));
  } else {
    for (std::int64_t i = 0; i < n; ++i) y[i] = static_cast<To>(x[i]);
  }
}

template <typename From>
Body conversion_from(DType to) {
  if (to == DType::f32) return convert_block<From, float>;
  return to == DType::f64 ? convert_block<From, double> : convert_block<From, std::int64_t>;
}

void convert_all(const Tensor& x, const Tensor& y) {
  const DType from = compute_dtype(x.dtype()), to = compute_dtype(y.dtype());
  const Body body = from == DType::f32   ? conversion_from<float>(to)
                    : from == DType::f64 ? conversion_from<double>(to)
                                         : conversion_from<std::int64_t>(to);
  const Target target = target_of(y.dtype());
  run_elementwise<2>(body, &target, {&x, &y}, {from, to});
}

void copy(const Tensor& x, const Tensor& y) {
  if (x.elements() == 0) return;
  x.dtype() == y.dtype() ? move(x, y) : convert_all(x, y);
}

// --- fill -----------------------------------------------------------------------------------------------------

template <typename Word>
void fill_words(Word value, const Tensor& y) {
  const StridedLoop<1> loop(y.shape(), {y.strides()}, 0);
  auto* to = static_cast<Word*>(y.raw());
  const std::int64_t step = loop.step[0];
  const auto run = [&](Word* at, std::int64_t begin, std::int64_t end) {
    if (step == 1)
      std::fill(at + begin, at + end, value);
    else
      for (std::int64_t i = begin; i < end; ++i) at[i * step] = value;
  };
  if (loop.rows == 1)
    parallel_for(loop.columns, kGrain, [&](std::int64_t begin, std::int64_t end) { run(to, begin, end); });
  else
    for (std::int64_t row = 0; row < loop.rows; ++row) run(to + loop.row_offsets(row)[0], 0, loop.columns);
}

void fill(double value, const Tensor& y) {
  if (y.elements() == 0) return;
  const Target target = target_of(y.dtype());
  switch (y.dtype()) {
    case DType::f32: return fill_words(static_cast<float>(value), y);
    case DType::f64: return fill_words(value, y);
    case DType::f16: return fill_words(Half(to_odd_float(value)).bits, y);
    case DType::bf16: return fill_words(BFloat16(to_odd_float(value)).bits, y);
    case DType::i32: return fill_words(static_cast<std::int32_t>(to_integer(value, target.low, target.high)), y);
    case DType::i64: return fill_words(to_integer(value, target.low, target.high), y);
    case DType::u8: return fill_words(static_cast<std::uint8_t>(to_integer(value, target.low, target.high)), y);
    case DType::boolean: return fill_words(static_cast<std::uint8_t>(value != 0), y);
  }
}

[[maybe_unused]] const bool registered[] = {
    copy_forward.add({.device = kThisDevice, .name = "cpu.blocks", .rank = 100, .run = copy}),
    fill_forward.add({.device = kThisDevice, .name = "cpu.rows", .rank = 100, .run = fill}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
