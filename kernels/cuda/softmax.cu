// Softmax and log-softmax over rows (rows, columns): a row belongs to 1 to 32 lanes or to a block, of which each thread
// owns packs of 16 bytes. Forward reads x once and writes y once, as long as a row fits into shared memory beside its
// neighbours (up to 12288 f32 in a block); longer rows are read three times, from the L2 cache. Backward reads y and dy
// twice, the second time from a cache. Bound by memory: one exponential an element.
#include "core/ops/softmax.h"

#include "kernels/cuda/rows.h"
#include "kernels/functors.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

constexpr std::size_t kCacheBytes = 46 * 1024;  // every device has 48 KiB a block

// Numbers of a row that each of its threads keeps in shared memory; 0: none, rows are too long.
template <typename T>
int kept_numbers(const Rows& rows) {
  const std::int64_t packs = ceil_div<std::int64_t>(rows.columns, kPackSize<T>);
  const std::int64_t kept = ceil_div<std::int64_t>(packs, rows.width) * kPackSize<T>;
  return std::size_t(kept) * kRowThreads * sizeof(Compute<T>) <= kCacheBytes ? int(kept) : 0;
}

// This thread's part of a row of x, in shared memory where it was kept: each number in a column of its own thread, so
// that nobody waits for anybody.
template <typename T>
struct OwnRow {
  using C = Compute<T>;
  static constexpr int N = kPackSize<T>;
  const T* x;
  C* kept;  // of this thread, null when the row is too long
  std::int64_t n;
  int first, step;  // packs of this thread
  bool packed;

  // visit(values, first element): values are read from x the first time, and those that it leaves are kept unless it is
  // the last.
  enum Time { first_time, between, last_time };
  template <Time When, typename Visit>
  __device__ void each(const Visit& visit) const {
    C* slot = kept;
    for (std::int64_t i = std::int64_t{first} * N; i < n; i += std::int64_t{step} * N) {
      C values[N];
      if (When != first_time && kept)
        for (int l = 0; l < N; ++l) values[l] = slot[l * kRowThreads];
      else
        load_values(x, i, n, packed, -std::numeric_limits<C>::infinity(), values);
      visit(values, i);
      if (!kept) continue;
      for (int l = 0; l < N && When != last_time; ++l) slot[l * kRowThreads] = values[l];
      slot += N * kRowThreads;
    }
  }
};

template <typename T, bool Log>
__global__ void softmax_rows(Rows rows, int kept, const T* x, T* y) {
  using C = Compute<T>;
  constexpr int N = kPackSize<T>;
  SharedMemory shared;
  C* exchange = shared.array<C>(kWarp + 1);
  C* cache = kept > 0 ? shared.array<C>(kept * kRowThreads) + threadIdx.x : nullptr;
  for_each_row(rows.count, rows.width, [&](std::int64_t row, int member) {
    const std::int64_t n = row < rows.count ? rows.columns : 0;
    const OwnRow<T> own{x + row * rows.columns, cache, n, member, rows.width, rows.packed};
    constexpr C lowest = -std::numeric_limits<C>::infinity();
    C peak = lowest;
    own.template each<OwnRow<T>::first_time>([&](C(&values)[N], std::int64_t) {
      for (int l = 0; l < N; ++l) peak = LargerNumber{}(peak, values[l]);
    });
    peak = row_reduce(peak, LargerNumber{}, lowest, rows.width, exchange);
    C sum = 0;
    own.template each<OwnRow<T>::between>([&](C(&values)[N], std::int64_t) {
      for (int l = 0; l < N; ++l) {
        const C power = functors::exp(values[l] - peak);
        sum += power;
        values[l] = Log ? values[l] : power;
      }
    });
    sum = row_reduce(sum, Add{}, C(0), rows.width, exchange);
    const C log_sum = Log ? functors::log(sum) : C(0), factor = C(1) / sum;
    own.template each<OwnRow<T>::last_time>([&](C(&values)[N], std::int64_t i) {
      for (int l = 0; l < N; ++l) {
        if constexpr (Log)
          values[l] = (values[l] - peak) - log_sum;
        else
          values[l] = (own.kept ? values[l] : functors::exp(values[l] - peak)) * factor;
      }
      store_values(y + row * rows.columns, i, n, rows.packed, values);
    });
  });
}

// softmax: dx = y * (dy - sum(y * dy)); its logarithm: dx = dy - exp(y) * sum(dy).
template <typename T, bool Log>
__global__ void softmax_backward_rows(Rows rows, const T* y, const T* dy, T* dx) {
  using C = Compute<T>;
  constexpr int N = kPackSize<T>;
  SharedMemory shared;
  C* exchange = shared.array<C>(kWarp + 1);
  for_each_row(rows.count, rows.width, [&](std::int64_t row, int member) {
    const auto [start, n, first, step] = RowPart<N>(rows, row, member);
    C sum = 0;
    for (std::int64_t i = first; i < n; i += step) {
      C result[N], gradient[N];
      load_values(dy + start, i, n, rows.packed, C(0), gradient);
      if constexpr (!Log) load_values(y + start, i, n, rows.packed, C(0), result);
      for (int l = 0; l < N; ++l) sum += Log ? gradient[l] : result[l] * gradient[l];
    }
    sum = row_reduce(sum, Add{}, C(0), rows.width, exchange);
    for (std::int64_t i = first; i < n; i += step) {
      C result[N], gradient[N];
      load_values(dy + start, i, n, rows.packed, C(0), gradient);
      load_values(y + start, i, n, rows.packed, C(0), result);
      for (int l = 0; l < N; ++l)
        gradient[l] = Log ? gradient[l] - functors::exp(result[l]) * sum : result[l] * (gradient[l] - sum);
      store_values(dx + start, i, n, rows.packed, gradient);
    }
  });
}

template <bool Log>
void forward(const Tensor& x, const Tensor& y) {
  if (x.elements() == 0) return;
  visit_floating(x.dtype(), "softmax", [&]<typename T>() {
    const Rows rows = rows_of<T>(x, y);
    const int kept = kept_numbers<T>(rows);
    launch<softmax_rows<T, Log>>(
        {.blocks = row_grid(y, rows.count, rows.width),
         .threads = kRowThreads,
         .shared_bytes = kBlockReduceBytes<Compute<T>> + std::size_t(kept) * kRowThreads * sizeof(Compute<T>)},
        stream_of(y), rows, kept, x.data<T>(), y.data<T>());
  });
}

template <bool Log>
void backward(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  if (y.elements() == 0) return;
  visit_floating(y.dtype(), "softmax", [&]<typename T>() {
    const Rows rows = rows_of<T>(y, dy, dx);
    launch<softmax_backward_rows<T, Log>>({.blocks = row_grid(dx, rows.count, rows.width),
                                           .threads = kRowThreads,
                                           .shared_bytes = kBlockReduceBytes<Compute<T>>},
                                          stream_of(dx), rows, y.data<T>(), dy.data<T>(), dx.data<T>());
  });
}

[[maybe_unused]] const bool registered[] = {
    softmax_forward.add({.device = kThisDevice, .name = "cuda.rows", .rank = 100, .run = forward<false>}),
    softmax_backward.add({.device = kThisDevice, .name = "cuda.rows", .rank = 100, .run = backward<false>}),
    log_softmax_forward.add({.device = kThisDevice, .name = "cuda.rows", .rank = 100, .run = forward<true>}),
    log_softmax_backward.add({.device = kThisDevice, .name = "cuda.rows", .rank = 100, .run = backward<true>}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
