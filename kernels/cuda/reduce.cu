// Reductions. The axes are split into kept and reduced ones, each merged as far as strides allow.
//   reduce_rows     the reduced axes lie inside: a result belongs to 1 to 32 lanes, or to a block
//   reduce_columns  the kept axes lie inside: neighbouring lanes own neighbouring results, the warps of a block share
//                   out the terms and meet in shared memory
//   finish_parts    few results of many terms are folded in parts, by many blocks, and the parts then in order
// A thread folds up to 16 packs in the compute type, and these in f64 or i64; who folds what depends on the shape only.
// Both kernels read x once, in packs of 16 bytes where the layout allows it, and are bound by memory: 1 to 2 operations
// an element.
#include "core/ops/reduce.h"

#include <algorithm>
#include <cmath>

#include "kernels/cuda/places.h"
#include "kernels/cuda/rows.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

// Elements that a thread reads at once: 16 bytes, of u8 only 8, since more running numbers would not fit in registers.
template <typename T>
constexpr int kPack = kPackSize<T> < 8 ? kPackSize<T> : 8;
constexpr int kRun = 16;               // packs that a thread folds in the compute type
constexpr std::int64_t kParts = 1024;  // blocks that are worth having, on any device

// A fold of T: term() of each element, join() of two terms, result() of all. Extremes fold the largest; the smallest is
// the largest of the reversed numbers.
template <typename T>
struct Sums {
  using Element = T;
  using Total = std::conditional_t<std::is_integral_v<T>, std::int64_t, double>;
  Fold fold;
  double scale;

  template <typename V>
  __device__ static V start() {
    return 0;
  }
  __device__ Value<T> term(Value<T> x) const {
    if (fold == Fold::sum) return x;
    return fold == Fold::root_square_sum ? x * x : x < 0 ? -x : x;
  }
  template <typename V>
  __device__ V operator()(V a, V b) const {
    return a + b;
  }
  __device__ T result(Total total) const {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(total);
    } else {
      const double value = scale * total;
      return to_storage<T>(static_cast<Compute<T>>(fold == Fold::root_square_sum ? std::sqrt(value) : value));
    }
  }
};
template <typename T>
struct Extremes {
  using Element = T;
  using Total = Value<T>;
  Fold fold;
  double scale;

  template <typename V>
  __device__ static V start() {
    return std::is_integral_v<V> ? std::numeric_limits<V>::min() : -std::numeric_limits<V>::infinity();
  }
  __device__ Value<T> term(Value<T> x) const {
    if (fold == Fold::max) return x;
    if constexpr (std::is_integral_v<T>)
      return ~x;  // -x would not fit for the smallest
    else
      return -x;
  }
  // NaN wins.
  template <typename V>
  __device__ V operator()(V a, V b) const {
    return a > b || a != a ? a : b;
  }
  __device__ T result(Total total) const {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(term(total));
    else
      return to_storage<T>(static_cast<Compute<T>>(scale * static_cast<double>(term(total))));
  }
};

// A kernel argument: what is folded by whom.
struct Terms {
  Places<1> places;              // in x
  std::int64_t count = 0;        // of each result
  std::int64_t parts = 1;        // each result's terms are folded in so many parts
  std::int64_t part_length = 0;  // terms of each, but the last
  bool packed = false;

  // At least `least` terms a part, and no more parts than give every multiprocessor work. All but the last are whole
  // packs.
  void cut(std::int64_t units, std::int64_t least, int pack) {
    const std::int64_t worth = std::min(kParts / std::max<std::int64_t>(1, units), count / least);
    const std::int64_t wanted = std::max<std::int64_t>(1, worth);
    part_length = std::max<std::int64_t>(1, ceil_div(ceil_div(count, wanted), pack)) * pack;
    parts = std::max<std::int64_t>(1, ceil_div(count, part_length));
  }
  __device__ std::int64_t begin(std::int64_t part) const { return part * part_length; }
  __device__ std::int64_t end(std::int64_t part) const {
    const std::int64_t at = (part + 1) * part_length;
    return at < count ? at : count;
  }
  __device__ std::int64_t place(std::int64_t term) const {
    if (places.axes == 1) return term * places.stride[0][0];
    std::int64_t at[1];
    places.locate(term, at);
    return at[0];
  }
};

// Joins the halves of an array until one is left.
template <typename V, int N, typename F>
__device__ V fold_lanes(const F& fold, V (&lanes)[N]) {
#pragma unroll
  for (int half = N / 2; half > 0; half /= 2) {
#pragma unroll
    for (int i = 0; i < N / 2; ++i)  // a bound that is known, so that the lanes stay in registers
      if (i < half) lanes[i] = fold(lanes[i], lanes[i + half]);
  }
  return lanes[0];
}

// What thread `member` of `width` folds of the terms [begin, end) of the result whose terms start at x.
template <typename F, typename T = typename F::Element>
__device__ typename F::Total fold_row(const Terms& terms, const F& fold, const T* x, std::int64_t begin,
                                      std::int64_t end, int member, int width) {
  constexpr int N = kPack<T>;
  typename F::Total total = F::template start<typename F::Total>();
  for (std::int64_t i = begin + member * N; i < end;) {
    Value<T> lanes[N];
    for (int l = 0; l < N; ++l) lanes[l] = F::template start<Value<T>>();
    for (int run = 0; run < kRun && i < end; ++run, i += width * N) {
      if (terms.packed) {
        const Pack<T, N> pack = load_pack<N>(x + terms.place(i));
        for (int l = 0; l < N; ++l) lanes[l] = fold(lanes[l], fold.term(value_of(pack.at[l])));
      } else {
        for (int l = 0; l < N; ++l)
          if (i + l < end) lanes[l] = fold(lanes[l], fold.term(value_of(x[terms.place(i + l)])));
      }
    }
    total = fold(total, static_cast<typename F::Total>(fold_lanes(fold, lanes)));
  }
  return total;
}

// `width` threads fold one part of one result: packs member, member + width, … of it. Item = result * parts + part.
template <typename F, typename T = typename F::Element>
__global__ void reduce_rows(Terms terms, Places<2> kept, std::int64_t results, int width, F fold, const T* x, T* y,
                            typename F::Total* partial) {
  using Total = typename F::Total;
  SharedMemory shared;
  Total* exchange = shared.array<Total>(kWarp + 1);
  const std::int64_t items = results * terms.parts;
  for_each_row(items, width, [&](std::int64_t item, int member) {
    std::int64_t at[2] = {}, begin = 0, end = 0;
    if (item < items) {
      const std::int64_t result = quotient(item, terms.parts), part = item - result * terms.parts;
      kept.locate(result, at);
      begin = terms.begin(part), end = terms.end(part);
    }
    const Total own = fold_row(terms, fold, x + at[0], begin, end, member, width);
    const Total total = row_reduce(own, fold, F::template start<Total>(), width, exchange);
    if (member > 0 || item >= items) return;
    if (terms.parts > 1)
      partial[item] = total;
    else
      y[at[1]] = fold.result(total);
  });
}

// How a block of threads covers neighbouring results; a kernel argument.
struct Columns {
  Places<2> rows;             // the kept axes but the innermost
  std::int64_t count = 1;     // results along that one
  std::int64_t step[2] = {};  // of x and y along it
  std::int64_t tiles = 1;     // each of `lanes` packs of columns
  int lanes = 1;              // threads side by side, a power of two; the others share out the terms
};

// What the thread folds of the terms [begin, end) of `count` columns from x on: those with its row number.
template <typename F, int N, typename T = typename F::Element>
__device__ void fold_columns(const Terms& terms, const F& fold, const T* x, std::int64_t step, std::int64_t count,
                             std::int64_t begin, std::int64_t end, int rows, typename F::Total (&totals)[N]) {
  for (int l = 0; l < N; ++l) totals[l] = F::template start<typename F::Total>();
  for (std::int64_t i = begin; i < end && count > 0;) {
    Value<T> lanes[N];
    for (int l = 0; l < N; ++l) lanes[l] = F::template start<Value<T>>();
    for (int run = 0; run < kRun && i < end; ++run, i += rows) {
      const T* from = x + terms.place(i);
      if (terms.packed) {
        const Pack<T, N> pack = load_pack<N>(from);
        for (int l = 0; l < N; ++l) lanes[l] = fold(lanes[l], fold.term(value_of(pack.at[l])));
      } else {
        for (int l = 0; l < N; ++l)
          if (l < count) lanes[l] = fold(lanes[l], fold.term(value_of(from[l * step])));
      }
    }
    for (int l = 0; l < N; ++l) totals[l] = fold(totals[l], static_cast<typename F::Total>(lanes[l]));
  }
}

// A block folds one part of a tile of columns. Thread = row * lanes + lane owns a pack of columns and the terms row,
// row + rows, … of the part; the rows are then joined by halves through shared memory.
template <typename F, typename T = typename F::Element>
__global__ void reduce_columns(Terms terms, Columns columns, F fold, const T* x, T* y, typename F::Total* partial) {
  using Total = typename F::Total;
  constexpr int N = kPack<T>;
  SharedMemory shared;
  Total* exchange = shared.array<Total>(N * kRowThreads);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % columns.lanes, row = thread / columns.lanes;
  const int rows = kRowThreads / columns.lanes;
  std::int64_t outer = columns.tiles * terms.parts;
  for (int i = 0; i < columns.rows.axes; ++i) outer *= columns.rows.size[i];
  for (std::int64_t item = blockIdx.x; item < outer; item += gridDim.x) {
    const std::int64_t unit = quotient(item, terms.parts), part = item - unit * terms.parts;
    const std::int64_t line = quotient(unit, columns.tiles), tile = unit - line * columns.tiles;
    const std::int64_t column = (tile * columns.lanes + lane) * N, count = columns.count - column;
    std::int64_t at[2];
    columns.rows.locate(line, at);
    Total totals[N];
    fold_columns(terms, fold, x + at[0] + column * columns.step[0], columns.step[0], count, terms.begin(part) + row,
                 terms.end(part), rows, totals);
    for (int l = 0; l < N; ++l) exchange[l * kRowThreads + thread] = totals[l];
    for (int half = rows / 2; half > 0; half /= 2) {
      __syncthreads();
      if (row >= half) continue;
      for (int l = 0; l < N; ++l) {
        Total& mine = exchange[l * kRowThreads + thread];
        mine = fold(mine, exchange[l * kRowThreads + thread + half * columns.lanes]);
      }
    }
    for (int l = 0; l < N && row == 0 && l < count; ++l) {
      const Total total = exchange[l * kRowThreads + thread];
      if (terms.parts > 1)
        partial[(line * columns.count + column + l) * terms.parts + part] = total;
      else
        y[at[1] + (column + l) * columns.step[1]] = fold.result(total);
    }
    __syncthreads();  // the exchange is written again
  }
}

// A warp per result joins its parts: lane i takes the parts i, i + 32, …
template <typename F, typename T = typename F::Element>
__global__ void finish_parts(Places<2> kept, std::int64_t results, std::int64_t parts, F fold,
                             const typename F::Total* partial, T* y) {
  using Total = typename F::Total;
  for_each_row(results, kWarp, [&](std::int64_t result, int lane) {
    Total total = F::template start<Total>();
    for (std::int64_t part = lane; part < parts && result < results; part += kWarp)
      total = fold(total, partial[result * parts + part]);
    total = warp_reduce(total, fold);
    if (lane > 0 || result >= results) return;
    std::int64_t at[2];
    kept.locate(result, at);
    y[at[1]] = fold.result(total);
  });
}

// --- host -----------------------------------------------------------------------------------------------------------

// x's axes apart: those that y keeps, with both strides, and the reduced ones.
struct Split {
  MergedAxes<2> kept;
  MergedAxes<1> reduced;
  Split(const Tensor& x, const Tensor& y)
      : kept(y.shape(), {x.strides(), y.strides()}, 0),
        reduced(reduced_shape(x.shape(), y.shape()), {x.strides()}, 0) {}
  static Shape reduced_shape(Shape x, const Shape& y) {
    for (int axis = 0; axis < x.rank(); ++axis)
      if (y[axis] == x[axis]) x[axis] = 1;
    return x;
  }
  bool columns_inside() const {
    if (kept.axes == 0) return false;
    return reduced.axes == 0 || kept.stride[0][kept.axes - 1] < reduced.stride[0][reduced.axes - 1];
  }
};

// Whether packs along the innermost of the `inner` axes stay whole and aligned wherever the other axes lead.
template <typename T, int A, int B>
bool packs_fit(const MergedAxes<A>& inner, const MergedAxes<B>& others, const T* x) {
  constexpr int N = kPack<T>;
  const int last = inner.axes - 1;
  bool fit = last >= 0 && inner.stride[0][last] == 1 && inner.size[last] % N == 0 && pack_aligned<N>(x);
  for (int i = 0; i < last; ++i) fit = fit && inner.stride[0][i] % N == 0;
  for (int i = 0; i < others.axes; ++i) fit = fit && others.stride[0][i] % N == 0;
  return fit;
}

// Room for the parts' totals, results * parts.
template <typename Total>
Tensor room_for(const Tensor& y, std::int64_t results, std::int64_t parts) {
  return parts > 1 ? empty({results * parts}, {kDTypeOf<Total>, y.device()}) : Tensor();
}

template <typename F, typename T = typename F::Element>
void run_rows(const Split& split, Terms terms, const F& fold, const Tensor& x, const Tensor& y) {
  using Total = typename F::Total;
  const std::int64_t results = y.elements();
  terms.packed = packs_fit(split.reduced, split.kept, x.data<T>());
  const int width = row_width(ceil_div<std::int64_t>(terms.count, kPack<T>));
  // A part is worth 16 packs a thread.
  terms.cut(results, std::int64_t{kRowThreads} * kPack<T> * kRun, kPack<T>);
  const Tensor room = room_for<Total>(y, results, terms.parts);
  Total* const partial = room.defined() ? room.data<Total>() : nullptr;
  const Places<2> kept(split.kept);
  launch<reduce_rows<F>>({.blocks = row_grid(y, results * terms.parts, width),
                          .threads = kRowThreads,
                          .shared_bytes = kBlockReduceBytes<Total>},
                         stream_of(y), terms, kept, results, width, fold, x.data<T>(), y.data<T>(), partial);
  if (partial)
    launch<finish_parts<F>>({.blocks = row_grid(y, results, kWarp), .threads = kRowThreads}, stream_of(y), kept,
                            results, terms.parts, fold, partial, y.data<T>());
}

template <typename F, typename T = typename F::Element>
void run_columns(const Split& split, Terms terms, const F& fold, const Tensor& x, const Tensor& y) {
  using Total = typename F::Total;
  constexpr int N = kPack<T>;
  const std::int64_t results = y.elements();
  const int inner = split.kept.axes - 1;
  Columns columns{.rows = Places<2>(split.kept, 1), .count = split.kept.size[inner]};
  for (int k = 0; k < 2; ++k) columns.step[k] = split.kept.stride[k][inner];
  const std::int64_t packs = ceil_div<std::int64_t>(columns.count, N);
  columns.lanes = std::min(row_width(packs), kWarp);
  columns.tiles = ceil_div<std::int64_t>(packs, columns.lanes);
  terms.packed = packs_fit(split.kept, split.reduced, x.data<T>());
  const std::int64_t units = results / columns.count * columns.tiles;
  terms.cut(units, std::int64_t{kRowThreads} / columns.lanes * kRun, 1);
  const Tensor room = room_for<Total>(y, results, terms.parts);
  Total* const partial = room.defined() ? room.data<Total>() : nullptr;
  launch<reduce_columns<F>>({.blocks = row_grid(y, units * terms.parts, kRowThreads),
                             .threads = kRowThreads,
                             .shared_bytes = N * kRowThreads * sizeof(Total)},
                            stream_of(y), terms, columns, fold, x.data<T>(), y.data<T>(), partial);
  if (partial)
    launch<finish_parts<F>>({.blocks = row_grid(y, results, kWarp), .threads = kRowThreads}, stream_of(y),
                            Places<2>(split.kept), results, terms.parts, fold, partial, y.data<T>());
}

template <typename F>
void reduce_with(const F& fold, const Tensor& x, const Tensor& y) {
  const Split split(x, y);
  Terms terms{.places = Places<1>(split.reduced), .count = split.reduced.elements()};
  if (split.columns_inside())
    run_columns(split, terms, fold, x, y);
  else
    run_rows(split, terms, fold, x, y);
}

void reduce(Fold f, double scale, const Tensor& x, const Tensor& y) {
  if (y.elements() == 0) return;
  visit_numeric(x.dtype(), "reduce", [&]<typename T>() {
    if (f == Fold::max || f == Fold::min)
      reduce_with(Extremes<T>{f, scale}, x, y);
    else
      reduce_with(Sums<T>{f, scale}, x, y);
  });
}

[[maybe_unused]] const bool registered[] = {
    reduce_forward.add({.device = kThisDevice, .name = "cuda.rows_columns", .rank = 100, .run = reduce}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
