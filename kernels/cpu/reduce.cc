// Reductions. The axes are split into kept and reduced ones, each walked in memory order. Where the reduced axes lie
// inside, each result is folded from runs of contiguous elements; where the kept axes lie inside, whole rows are added
// into a row of accumulators. Blocks are folded in the compute type (16 lanes, or 16 rows), the blocks' results in f64
// or i64. The partition depends on the shape only. Memory-bound: reads x once.
#include "core/ops/reduce.h"

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/blocks.h"
#include "kernels/cpu/level.h"
#include "kernels/strided.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

constexpr std::int64_t kLanes = 16;
constexpr std::int64_t kRun = 256;         // elements folded in the compute type before f64 takes over
constexpr std::int64_t kRows = 16;         // the same for rows
constexpr std::int64_t kPartWork = 65536;  // elements worth a part of its own when a reduction is split
constexpr std::int64_t kMaxParts = 16;

template <typename C>
using Total = std::conditional_t<std::is_integral_v<C>, std::int64_t, double>;

struct Sum {
  template <typename C>
  static C start() {
    return 0;
  }
  template <typename C>
  static C map(C x) {
    return x;
  }
  template <typename C>
  static C join(C a, C b) {
    return a + b;
  }
};
struct SquareSum : Sum {
  template <typename C>
  static C map(C x) {
    return x * x;
  }
};
struct AbsoluteSum : Sum {
  template <typename C>
  static C map(C x) {
    return x < 0 ? -x : x;
  }
};
// Joins that let a NaN on either side through.
struct Max {
  template <typename C>
  static C start() {
    return std::is_integral_v<C> ? std::numeric_limits<C>::min() : -std::numeric_limits<C>::infinity();
  }
  template <typename C>
  static C map(C x) {
    return x;
  }
  template <typename C>
  static C join(C a, C b) {
    return a > b || a != a ? a : b;
  }
};
struct Min {
  template <typename C>
  static C start() {
    return std::is_integral_v<C> ? std::numeric_limits<C>::max() : std::numeric_limits<C>::infinity();
  }
  template <typename C>
  static C map(C x) {
    return x;
  }
  template <typename C>
  static C join(C a, C b) {
    return a < b || a != a ? a : b;
  }
};

// Folds n contiguous elements; lane i takes the elements i, i + 16, …
template <typename F, typename C>
C fold_run(const C* x, std::int64_t n) {
  C lanes[kLanes];
  for (std::int64_t l = 0; l < kLanes; ++l) lanes[l] = F::template start<C>();
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (std::int64_t l = 0; l < kLanes; ++l) lanes[l] = F::join(lanes[l], F::map(x[i + l]));
  for (std::int64_t l = 0; i + l < n; ++l) lanes[l] = F::join(lanes[l], F::map(x[i + l]));
  for (std::int64_t width = kLanes / 2; width > 0; width /= 2)
    for (std::int64_t l = 0; l < width; ++l) lanes[l] = F::join(lanes[l], lanes[l + width]);
  return lanes[0];
}
// Joins a row into a row of accumulators.
template <typename F, typename C>
void fold_row(const C* x, std::int64_t n, C* row) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) row[i] = F::join(row[i], F::map(x[i]));
}

// The strides of x along the axes where `wanted` says so; the other axes have size 1 in `shape`.
struct Split {
  Shape kept, reduced;
  Split(const Shape& x, const Shape& y) : kept(y), reduced(x) {
    for (int axis = 0; axis < x.rank(); ++axis)
      if (y[axis] == x[axis]) reduced[axis] = 1;
  }
};

// One reduction: x walked as kept (x, y) and reduced (x) axes.
struct Plan {
  StridedLoop<2> kept;
  StridedLoop<1> reduced;
  std::int64_t results, terms;  // kept and reduced elements
  bool rows_inside;             // the kept axes are the inner ones
  std::int64_t units;           // independent pieces of the result
  std::int64_t unit_results;    // results of each, but the last of a row
  std::int64_t parts;           // each unit's terms are split into that many
  const std::byte* x;
  DType dtype;

  Plan(const Split& split, const Tensor& x_in, const Tensor& y)
      : kept(split.kept, {x_in.strides(), y.strides()}, 0),
        reduced(split.reduced, {x_in.strides()}, 0),
        results(split.kept.elements()),
        terms(split.reduced.elements()),
        x(static_cast<const std::byte*>(x_in.raw())),
        dtype(x_in.dtype()) {
    rows_inside = kept.columns > 1 && (terms == 1 || kept.step[0] < reduced.step[0]);
    unit_results = rows_inside ? std::min(kept.columns, kBlock) : 1;
    units = rows_inside ? kept.rows * ((kept.columns + kBlock - 1) / kBlock) : results;
    parts = units >= kMaxParts ? 1 : std::clamp<std::int64_t>(results * terms / kPartWork, 1, kMaxParts);
  }
  const void* at(std::int64_t offset) const { return x + offset * std::int64_t(bytes_of(dtype)); }
};

// n elements of x as a block of C: in place, or through the buffer.
template <typename C>
const C* block_of(const Plan& plan, std::int64_t offset, std::int64_t step, std::int64_t n, C* buffer) {
  if ((step == 1 || n == 1) && plan.dtype == kDTypeOf<C>) return static_cast<const C*>(plan.at(offset));
  gather_block(plan.at(offset), plan.dtype, step, n, buffer, kDTypeOf<C>);
  return buffer;
}

// The terms [begin, end) of the result whose first term lies at `offset`.
template <typename F, typename C>
Total<C> fold_terms(const Plan& plan, std::int64_t offset, std::int64_t begin, std::int64_t end) {
  alignas(64) C buffer[kRun];
  const std::int64_t columns = plan.reduced.columns, step = plan.reduced.step[0];
  Total<C> total = F::template start<Total<C>>();
  if (begin >= end) return total;
  std::int64_t row = begin / columns, column = begin % columns;
  for (; begin < end; ++row, column = 0) {
    const std::int64_t first = offset + plan.reduced.row_offsets(row)[0];
    const std::int64_t stop = std::min(columns, column + end - begin);
    begin += stop - column;
    while (column < stop) {
      const std::int64_t n = std::min(kRun, stop - column);
      total = F::join(total, Total<C>(fold_run<F>(block_of(plan, first + column * step, step, n, buffer), n)));
      column += n;
    }
  }
  return total;
}

// The terms [begin, end) of n neighbouring results at once.
template <typename F, typename C>
void fold_rows(const Plan& plan, std::int64_t offset, std::int64_t n, std::int64_t begin, std::int64_t end,
               Total<C>* totals) {
  alignas(64) C buffer[kBlock], sums[kBlock];
  std::fill(totals, totals + n, F::template start<Total<C>>());
  while (begin < end) {
    const std::int64_t stop = std::min(end, begin + kRows);
    std::fill(sums, sums + n, F::template start<C>());
    std::int64_t row = begin / plan.reduced.columns, column = begin % plan.reduced.columns;
    for (; begin < stop; ++row, column = 0) {
      const std::int64_t first = offset + plan.reduced.row_offsets(row)[0];
      const std::int64_t limit = std::min(plan.reduced.columns, column + stop - begin);
      for (; column < limit; ++column, ++begin)
        fold_row<F>(block_of(plan, first + column * plan.reduced.step[0], plan.kept.step[0], n, buffer), n, sums);
    }
    for (std::int64_t i = 0; i < n; ++i) totals[i] = F::join(totals[i], Total<C>(sums[i]));
  }
}

struct Finish {
  double scale;
  bool root;
  template <typename A>
  A operator()(A total) const {
    if constexpr (std::is_integral_v<A>) return total;
    const double value = scale * total;
    return root ? std::sqrt(value) : value;
  }
};
inline void store(const Tensor& y, std::int64_t offset, double value) {
  switch (y.dtype()) {
    case DType::f32: y.data<float>()[offset] = float(value); return;
    case DType::f64: y.data<double>()[offset] = value; return;
    case DType::f16: y.data<Half>()[offset] = Half(float(value)); return;
    default: y.data<BFloat16>()[offset] = BFloat16(float(value)); return;
  }
}
inline void store(const Tensor& y, std::int64_t offset, std::int64_t value) {
  switch (y.dtype()) {
    case DType::i32: y.data<std::int32_t>()[offset] = std::int32_t(value); return;
    case DType::i64: y.data<std::int64_t>()[offset] = value; return;
    default: y.data<std::uint8_t>()[offset] = std::uint8_t(value); return;
  }
}

// Unit u covers `count` results whose first lies at offsets (x, y).
struct Unit {
  std::int64_t x, y, count;
};
Unit unit_at(const Plan& plan, std::int64_t u) {
  const std::int64_t per_row = (plan.kept.columns + plan.unit_results - 1) / plan.unit_results;
  const std::int64_t column = u % per_row * plan.unit_results;
  const auto offsets = plan.kept.row_offsets(u / per_row);
  return {offsets[0] + column * plan.kept.step[0], offsets[1] + column * plan.kept.step[1],
          std::min(plan.unit_results, plan.kept.columns - column)};
}

// The terms of one part of one unit into totals[0 … count).
template <typename F, typename C>
void fold_part(const Plan& plan, const Unit& unit, std::int64_t part, Total<C>* totals) {
  const std::int64_t length = (plan.terms + plan.parts - 1) / plan.parts;
  const std::int64_t begin = std::min(plan.terms, part * length), end = std::min(plan.terms, begin + length);
  if (plan.rows_inside)
    fold_rows<F, C>(plan, unit.x, unit.count, begin, end, totals);
  else
    *totals = fold_terms<F, C>(plan, unit.x, begin, end);
}

template <typename F, typename C>
void reduce_all(const Plan& plan, Finish finish, const Tensor& y) {
  const auto write = [&](const Unit& unit, const Total<C>* totals) {
    for (std::int64_t i = 0; i < unit.count; ++i) store(y, unit.y + i * plan.kept.step[1], finish(totals[i]));
  };
  if (plan.parts == 1) {
    const std::int64_t work = std::max<std::int64_t>(1, plan.terms * plan.unit_results);
    parallel_for(plan.units, std::max<std::int64_t>(1, kGrain / work), [&](std::int64_t begin, std::int64_t end) {
      Total<C> totals[kBlock];
      for (std::int64_t u = begin; u < end; ++u) {
        const Unit unit = unit_at(plan, u);
        fold_part<F, C>(plan, unit, 0, totals);
        write(unit, totals);
      }
    });
    return;
  }
  std::vector<Total<C>> partial(std::size_t(plan.units * plan.parts * plan.unit_results));
  const auto place = [&](std::int64_t task) { return partial.data() + task * plan.unit_results; };
  parallel_parts(plan.units * plan.parts, [&](std::int64_t task) {
    fold_part<F, C>(plan, unit_at(plan, task / plan.parts), task % plan.parts, place(task));
  });
  for (std::int64_t u = 0; u < plan.units; ++u) {
    const Unit unit = unit_at(plan, u);
    Total<C>* const totals = place(u * plan.parts);
    for (std::int64_t part = 1; part < plan.parts; ++part)
      for (std::int64_t i = 0; i < unit.count; ++i) totals[i] = F::join(totals[i], place(u * plan.parts + part)[i]);
    write(unit, totals);
  }
}

template <typename F>
void reduce_as(const Plan& plan, Finish finish, const Tensor& y) {
  switch (compute_dtype(plan.dtype)) {
    case DType::f32: return reduce_all<F, float>(plan, finish, y);
    case DType::f64: return reduce_all<F, double>(plan, finish, y);
    default: return reduce_all<F, std::int64_t>(plan, finish, y);
  }
}

void run_reduce(Fold f, double scale, const Tensor& x, const Tensor& y) {
  if (y.elements() == 0) return;
  const Plan plan(Split(x.shape(), y.shape()), x, y);
  const Finish finish{scale, f == Fold::root_square_sum};
  switch (f) {
    case Fold::sum: return reduce_as<Sum>(plan, finish, y);
    case Fold::absolute_sum: return reduce_as<AbsoluteSum>(plan, finish, y);
    case Fold::max: return reduce_as<Max>(plan, finish, y);
    case Fold::min: return reduce_as<Min>(plan, finish, y);
    default: return reduce_as<SquareSum>(plan, finish, y);
  }
}

// Index of the largest of n elements, a NaN being larger than all; the first of equals.
template <typename C>
std::int64_t largest(const Plan& plan, std::int64_t offset, std::int64_t n, std::int64_t step) {
  alignas(64) C buffer[kBlock];
  std::int64_t best = 0;
  C peak = 0;
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    const std::int64_t count = std::min(kBlock, n - begin);
    const C* values = block_of(plan, offset + begin * step, step, count, buffer);
    for (std::int64_t i = 0; i < count; ++i) {
      const bool first = begin + i == 0;
      if (!first && !(values[i] > peak) && !(values[i] != values[i] && peak == peak)) continue;
      peak = values[i];
      best = begin + i;
    }
  }
  return best;
}

void run_argmax(int axis, const Tensor& x, const Tensor& y) {
  if (y.elements() == 0) return;
  const Plan plan(Split(x.shape(), y.shape()), x, y);
  const std::int64_t n = x.shape()[axis], step = x.strides()[axis];
  std::int64_t* const out = y.data<std::int64_t>();
  const std::int64_t columns = plan.kept.columns;
  parallel_for(plan.results, std::max<std::int64_t>(1, kGrain / n), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto offsets = plan.kept.row_offsets(i / columns);
      const std::int64_t at = offsets[0] + i % columns * plan.kept.step[0];
      std::int64_t& result = out[offsets[1] + i % columns * plan.kept.step[1]];
      switch (compute_dtype(x.dtype())) {
        case DType::f32: result = largest<float>(plan, at, n, step); break;
        case DType::f64: result = largest<double>(plan, at, n, step); break;
        default: result = largest<std::int64_t>(plan, at, n, step); break;
      }
    }
  });
}

[[maybe_unused]] const bool registered[] = {
    reduce_forward.add({.device = kThisDevice, .name = "cpu.blocks", .rank = 100, .run = run_reduce}),
    argmax_forward.add({.device = kThisDevice, .name = "cpu.blocks", .rank = 100, .run = run_argmax}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
