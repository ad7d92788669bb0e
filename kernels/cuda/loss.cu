// Losses. Cross-entropy is fused with the log-softmax over rows, which belong to 1 to 32 lanes or to a block: forward
// reads the logits twice (the second time from a cache) and writes a number per row; backward reads them once, with
// what forward kept of each row, and writes the gradient. The elementwise losses read x and target once. All are bound
// by memory. A mean or sum is taken over parts that depend on the shape only, the parts in f64 and in order.
#include "core/ops/loss.h"

#include "kernels/cuda/index_report.h"
#include "kernels/cuda/rows.h"
#include "kernels/loss_functors.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

// --- sums ------------------------------------------------------------------------------------------------------------

constexpr std::int64_t kSumLength = 8192;  // losses that a block adds up

// Block b: sum[b] = the sum of its kSumLength losses / divisor.
template <typename T>
__global__ void add_losses(std::int64_t n, double divisor, const double* losses, T* sum) {
  SharedMemory shared;
  double* exchange = shared.array<double>(kWarp + 1);
  const std::int64_t begin = std::int64_t{blockIdx.x} * kSumLength;
  const std::int64_t end = begin + kSumLength < n ? begin + kSumLength : n;
  double total = 0;
  for (std::int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) total += losses[i];
  total = block_reduce(total, Add{}, 0.0, exchange);
  if (threadIdx.x == 0) sum[blockIdx.x] = to_storage<T>(static_cast<Compute<T>>(total / divisor));
}
template <typename T>
void launch_sum(std::int64_t n, double divisor, const Tensor& losses, const Tensor& sum) {
  const std::int64_t blocks = ceil_div<std::int64_t>(n, kSumLength);
  launch<add_losses<T>>({.blocks = static_cast<unsigned>(blocks < 1 ? 1 : blocks),
                         .threads = kRowThreads,
                         .shared_bytes = kBlockReduceBytes<double>},
                        stream_of(sum), n, divisor, losses.data<double>(), sum.data<T>());
}
// loss () = the sum of the losses (f64), or their mean over n terms; the mean of nothing is NaN.
template <typename T>
void reduce_losses(Tensor losses, std::int64_t n, Reduction reduction, const Tensor& loss) {
  while (losses.elements() > kSumLength) {
    const Tensor sums = empty({ceil_div<std::int64_t>(losses.elements(), kSumLength)}, {DType::f64, loss.device()});
    launch_sum<double>(losses.elements(), 1, losses, sums);
    losses = sums;
  }
  launch_sum<T>(losses.elements(), reduction == Reduction::mean ? static_cast<double>(n) : 1.0, losses, loss);
}
// What the gradient of a mean or sum gives to each of n terms.
double scale_of(Reduction reduction, std::int64_t n) {
  return reduction == Reduction::mean ? 1.0 / static_cast<double>(n) : 1.0;
}

// --- cross-entropy ---------------------------------------------------------------------------------------------------

// The target (1 - e) * target + e / K, of class indices of so many bytes each, or of probabilities.
template <typename C>
struct Smoothing {
  C keep = 1;   // 1 - e
  C even = 0;   // e / K
  C share = 0;  // e
  explicit Smoothing(double e, std::int64_t classes)
      : keep(static_cast<C>(1 - static_cast<C>(e))),
        even(static_cast<C>(e) / static_cast<C>(classes)),
        share(static_cast<C>(e)) {}
};
__device__ inline std::int64_t class_index(const void* target, int bytes, std::int64_t row) {
  if (bytes == 8) return static_cast<const std::int64_t*>(target)[row];
  if (bytes == 4) return static_cast<const std::int32_t*>(target)[row];
  return static_cast<const std::uint8_t*>(target)[row];
}

// What a thread gathers of its part of a row x against the maximum: sums of exp(x - peak) and of weight * (x - peak),
// weight being the target's probabilities q or, for an index, 1; and the sum of q.
template <typename C>
struct RowSums {
  C powers = 0, products = 0, weights = 0;
};
template <typename T, bool Soft, typename C = Compute<T>>
__device__ RowSums<C> row_sums(const Rows& rows, const Smoothing<C>& smoothing, const T* x, const T* target,
                               std::int64_t n, int member, C peak) {
  constexpr int N = kPackSize<T>;
  RowSums<C> sums;
  for (std::int64_t i = std::int64_t{member} * N; i < n; i += std::int64_t{rows.width} * N) {
    C values[N], weights[N];
    load_values(x, i, n, rows.packed, peak, values);
    if constexpr (Soft) load_values(target, i, n, rows.packed, C(0), weights);
    for (int l = 0; l < N; ++l) {
      if (i + l >= n) continue;
      const C above = values[l] - peak, weight = Soft ? smoothing.keep * weights[l] + smoothing.even : C(1);
      sums.powers += functors::exp(above);
      sums.products += weight * above;
      sums.weights += weight;
    }
  }
  return sums;
}

// For a row: normalizer = (peak, log of the sum of exp(x - peak)); its loss goes to `each`, or in f64 to `losses`.
// With indices: -log p of the class, or a part of it and of the mean over all classes; a class that is not there is
// reported.
template <typename T, bool Soft, typename C = Compute<T>>
__global__ void cross_entropy_rows(Rows rows, Smoothing<C> smoothing, const T* logits, const void* target,
                                   int index_bytes, IndexReport* report, const char* op, C* normalizer, T* each,
                                   double* losses) {
  constexpr C lowest = -std::numeric_limits<C>::infinity();
  constexpr int N = kPackSize<T>;
  SharedMemory shared;
  C* exchange = shared.array<C>(kWarp + 1);
  for_each_row(rows.count, rows.width, [&](std::int64_t row, int member) {
    const std::int64_t n = row < rows.count ? rows.columns : 0;
    const T* x = logits + row * rows.columns;
    C peak = lowest;
    for (std::int64_t i = std::int64_t{member} * N; i < n; i += std::int64_t{rows.width} * N) {
      C values[N];
      load_values(x, i, n, rows.packed, lowest, values);
      for (int l = 0; l < N; ++l) peak = LargerNumber{}(peak, values[l]);
    }
    peak = row_reduce(peak, LargerNumber{}, lowest, rows.width, exchange);
    const T* weights = Soft ? static_cast<const T*>(target) + row * rows.columns : nullptr;
    RowSums<C> sums = row_sums<T, Soft>(rows, smoothing, x, weights, n, member, peak);
    sums.powers = row_reduce(sums.powers, Add{}, C(0), rows.width, exchange);
    if (Soft || smoothing.share != 0) sums.products = row_reduce(sums.products, Add{}, C(0), rows.width, exchange);
    sums.weights = Soft ? row_reduce(sums.weights, Add{}, C(0), rows.width, exchange) : static_cast<C>(n);
    if (member > 0 || n == 0) return;
    const C log_sum = functors::log(sums.powers);
    C loss = sums.weights * log_sum - sums.products;  // of probabilities
    if constexpr (!Soft) {
      const std::int64_t k = class_index(target, index_bytes, row);
      const bool fits = index_fits(report, op, true, k, row, n);
      const C hard = fits ? -((to_compute(x[k]) - peak) - log_sum) : C(0);
      loss = smoothing.share == 0 ? hard : smoothing.keep * hard + smoothing.share * (loss / static_cast<C>(n));
    }
    normalizer[2 * row] = peak;
    normalizer[2 * row + 1] = log_sum;
    if (losses)
      losses[row] = static_cast<double>(loss);
    else
      each[row] = to_storage<T>(loss);
  });
}

// dx = scale * (p * sum(q) - q), scale = mean * dloss, of which there is one per row or one for all.
template <typename T, bool Soft, typename C = Compute<T>>
__global__ void cross_entropy_backward_rows(Rows rows, Smoothing<C> smoothing, C mean, bool each, const T* logits,
                                            const void* target, int index_bytes, const C* normalizer, const T* dloss,
                                            T* dlogits) {
  constexpr int N = kPackSize<T>;
  SharedMemory shared;
  C* exchange = shared.array<C>(kWarp + 1);
  for_each_row(rows.count, rows.width, [&](std::int64_t row, int member) {
    const auto [start, n, first, step] = RowPart<N>(rows, row, member);
    const T* weights = Soft ? static_cast<const T*>(target) + start : nullptr;
    C total = 1;  // the sum of q
    if constexpr (Soft) {
      C sum = 0;
      for (std::int64_t i = first; i < n; i += step) {
        C values[N];
        load_values(weights, i, n, rows.packed, C(0), values);
        for (int l = 0; l < N; ++l) sum += values[l];
      }
      total = smoothing.keep * row_reduce(sum, Add{}, C(0), rows.width, exchange) + smoothing.share;
    }
    if (n == 0) return;
    const C peak = normalizer[2 * row], log_sum = normalizer[2 * row + 1];
    const C scale = mean * to_compute(dloss[each ? row : 0]);
    const std::int64_t hard = Soft ? 0 : class_index(target, index_bytes, row);
    for (std::int64_t i = first; i < n; i += step) {
      C values[N], q[N];
      load_values(logits + start, i, n, rows.packed, peak, values);
      if constexpr (Soft) load_values(weights, i, n, rows.packed, C(0), q);
      for (int l = 0; l < N; ++l) {
        const C wanted = Soft ? smoothing.keep * q[l] : i + l == hard ? smoothing.keep : C(0);
        const C p = functors::exp((values[l] - peak) - log_sum);
        values[l] = scale * (p * total - (wanted + smoothing.even));
      }
      store_values(dlogits + start, i, n, rows.packed, values);
    }
  });
}

// Calls body.operator()<Soft>(rows) for dense tensors of the logits' shape.
template <typename T, typename Body>
void with_rows(const Tensor& logits, const Tensor& target, const Tensor& dlogits, const Body& body) {
  if (is_floating(target.dtype()))
    body.template operator()<true>(rows_of<T>(logits, target, dlogits));
  else
    body.template operator()<false>(rows_of<T>(logits, dlogits));
}

void cross_entropy(const Tensor& logits, const Tensor& target, CrossEntropyOptions o, const Tensor& loss,
                   const Tensor& normalizer) {
  visit_floating(logits.dtype(), "cross_entropy", [&]<typename T>() {
    using C = Compute<T>;
    const bool none = o.reduction == Reduction::none;
    const Tensor losses = none ? Tensor() : empty({logits.size(0)}, {DType::f64, loss.device()});
    with_rows<T>(logits, target, logits, [&]<bool Soft>(const Rows& rows) {
      launch<cross_entropy_rows<T, Soft>>({.blocks = row_grid(loss, rows.count, rows.width),
                                           .threads = kRowThreads,
                                           .shared_bytes = kBlockReduceBytes<C>},
                                          stream_of(loss), rows, Smoothing<C>(o.label_smoothing, rows.columns),
                                          logits.data<T>(), target.raw(), static_cast<int>(bytes_of(target.dtype())),
                                          index_report_of(loss), "cross_entropy", normalizer.data<C>(),
                                          none ? loss.data<T>() : nullptr, none ? nullptr : losses.data<double>());
    });
    if (!none) reduce_losses<T>(losses, logits.size(0), o.reduction, loss);
  });
}

void cross_entropy_gradient(const Tensor& logits, const Tensor& target, const Tensor& normalizer, CrossEntropyOptions o,
                            const Tensor& dloss, const Tensor& dlogits) {
  visit_floating(logits.dtype(), "cross_entropy", [&]<typename T>() {
    using C = Compute<T>;
    with_rows<T>(logits, target, dlogits, [&]<bool Soft>(const Rows& rows) {
      launch<cross_entropy_backward_rows<T, Soft>>(
          {.blocks = row_grid(dlogits, rows.count, rows.width),
           .threads = kRowThreads,
           .shared_bytes = kBlockReduceBytes<C>},
          stream_of(dlogits), rows, Smoothing<C>(o.label_smoothing, rows.columns),
          static_cast<C>(scale_of(o.reduction, rows.count)), o.reduction == Reduction::none, logits.data<T>(),
          target.raw(), static_cast<int>(bytes_of(target.dtype())), normalizer.data<C>(), dloss.data<T>(),
          dlogits.data<T>());
    });
  });
}

// --- elementwise losses ----------------------------------------------------------------------------------------------

// f.operator()<Kind>() for the kind of loss, in a kernel.
template <typename F>
__device__ auto choose_loss(LossKind kind, const F& f) {
  switch (kind) {
    case LossKind::squared: return f.template operator()<LossKind::squared>();
    case LossKind::mse: return f.template operator()<LossKind::mse>();
    case LossKind::l1: return f.template operator()<LossKind::l1>();
    case LossKind::huber: return f.template operator()<LossKind::huber>();
    default: return f.template operator()<LossKind::binary_cross_entropy>();
  }
}

// A kernel argument.
template <typename C>
struct Elements {
  std::int64_t count = 0;
  bool packed = false;
  LossKind kind = LossKind::squared;
  C delta = 1;
};
template <typename T, typename... Others>
Elements<Compute<T>> elements_of(const ElementLoss& loss, const Tensor& x, const Others&... others) {
  const auto aligned = [](const Tensor& each) { return !each.defined() || pack_aligned<kPackSize<T>>(each.data<T>()); };
  return {x.elements(), x.elements() % kPackSize<T> == 0 && aligned(x) && (aligned(others) && ...), loss.kind,
          static_cast<Compute<T>>(loss.delta)};
}

// The losses of a pack of elements; 0 beyond the end.
template <typename T, int N, typename C = Compute<T>>
__device__ void pack_losses(const Elements<C>& elements, const T* x, const T* target, std::int64_t first,
                            C (&losses)[N]) {
  C from[N], to[N];
  load_values(x, first, elements.count, elements.packed, C(0), from);
  load_values(target, first, elements.count, elements.packed, C(0), to);
  choose_loss(elements.kind, [&]<LossKind Kind>() {
    for (int l = 0; l < N; ++l)
      losses[l] = first + l < elements.count ? functors::loss_value<Kind>(from[l], to[l], elements.delta) : C(0);
  });
}

// Threads own packs, grid-stride.
template <typename T>
__global__ void element_losses(Elements<Compute<T>> elements, const T* x, const T* target, T* loss) {
  constexpr int N = kPackSize<T>;
  for (std::int64_t i = first_item() * N; i < elements.count; i += item_step() * N) {
    Compute<T> losses[N];
    pack_losses(elements, x, target, i, losses);
    store_values(loss, i, elements.count, elements.packed, losses);
  }
}

// Block b sums the losses of `length` elements, a pack at a time in the compute type, the packs in f64.
template <typename T>
__global__ void element_loss_sums(Elements<Compute<T>> elements, std::int64_t length, const T* x, const T* target,
                                  double* sums) {
  constexpr int N = kPackSize<T>;
  SharedMemory shared;
  double* exchange = shared.array<double>(kWarp + 1);
  const std::int64_t begin = std::int64_t{blockIdx.x} * length;
  const std::int64_t end = begin + length < elements.count ? begin + length : elements.count;
  double total = 0;
  for (std::int64_t i = begin + std::int64_t{threadIdx.x} * N; i < end; i += std::int64_t{blockDim.x} * N) {
    Compute<T> losses[N], sum = 0;
    pack_losses(elements, x, target, i, losses);
    for (int l = 0; l < N; ++l) sum += losses[l];
    total += static_cast<double>(sum);
  }
  total = block_reduce(total, Add{}, 0.0, exchange);
  if (threadIdx.x == 0) sums[blockIdx.x] = total;
}

// dx and dtarget, either may be null. dloss: one for all, or one each.
template <typename T, typename C = Compute<T>>
__global__ void element_loss_gradients(Elements<C> elements, C scale, bool each, const T* x, const T* target,
                                       const T* dloss, T* dx, T* dtarget) {
  constexpr int N = kPackSize<T>;
  for (std::int64_t i = first_item() * N; i < elements.count; i += item_step() * N) {
    C from[N], to[N], dy[N], slope[N];
    load_values(x, i, elements.count, elements.packed, C(0), from);
    load_values(target, i, elements.count, elements.packed, C(0), to);
    if (each)
      load_values(dloss, i, elements.count, elements.packed, C(0), dy);
    else
      for (int l = 0; l < N; ++l) dy[l] = to_compute(dloss[0]);
    choose_loss(elements.kind, [&]<LossKind Kind>() {
      for (int l = 0; l < N; ++l) {
        slope[l] = scale * dy[l] * functors::loss_slope<Kind>(from[l], to[l], elements.delta);
        to[l] = scale * dy[l] * functors::loss_target_slope<Kind>(from[l], to[l], elements.delta);
      }
    });
    if (dx) store_values(dx, i, elements.count, elements.packed, slope);
    if (dtarget) store_values(dtarget, i, elements.count, elements.packed, to);
  }
}

void element_loss(const Tensor& x, const Tensor& target, ElementLoss kind, const Tensor& loss) {
  visit_floating(x.dtype(), "loss", [&]<typename T>() {
    constexpr std::int64_t pack = kPackSize<T>, tile = pack * kRowThreads;
    const std::int64_t n = x.elements();
    if (kind.reduction == Reduction::none) {
      const auto elements = elements_of<T>(kind, x, target, loss);
      launch<element_losses<T>>({.blocks = grid_for(loss, ceil_div(n, pack), kRowThreads), .threads = kRowThreads},
                                stream_of(loss), elements, x.data<T>(), target.data<T>(), loss.data<T>());
      return;
    }
    // At most 1024 blocks, of whole tiles.
    const std::int64_t tiles = ceil_div(n, tile), length = ceil_div<std::int64_t>(tiles, 1024) * tile;
    const std::int64_t blocks = n == 0 ? 0 : ceil_div(n, length);
    const Tensor sums = empty({blocks}, {DType::f64, loss.device()});
    launch<element_loss_sums<T>>(
        {.blocks = static_cast<unsigned>(blocks), .threads = kRowThreads, .shared_bytes = kBlockReduceBytes<double>},
        stream_of(loss), elements_of<T>(kind, x, target), length, x.data<T>(), target.data<T>(), sums.data<double>());
    reduce_losses<T>(sums, n, kind.reduction, loss);
  });
}

void element_loss_gradient(const Tensor& x, const Tensor& target, ElementLoss kind, const Tensor& dloss,
                           const Tensor& dx, const Tensor& dtarget) {
  visit_floating(x.dtype(), "loss", [&]<typename T>() {
    constexpr std::int64_t pack = kPackSize<T>;
    const bool each = kind.reduction == Reduction::none;
    const auto elements = elements_of<T>(kind, x, target, dx, dtarget, each ? dloss : Tensor());
    launch<element_loss_gradients<T>>(
        {.blocks = grid_for(x, ceil_div(x.elements(), pack), kRowThreads), .threads = kRowThreads}, stream_of(x),
        elements, static_cast<Compute<T>>(scale_of(kind.reduction, x.elements())), each, x.data<T>(), target.data<T>(),
        dloss.data<T>(), dx.defined() ? dx.data<T>() : nullptr, dtarget.defined() ? dtarget.data<T>() : nullptr);
  });
}

[[maybe_unused]] const bool registered[] = {
    cross_entropy_forward.add({.device = kThisDevice, .name = "cuda.rows", .rank = 100, .run = cross_entropy}),
    cross_entropy_backward.add(
        {.device = kThisDevice, .name = "cuda.rows", .rank = 100, .run = cross_entropy_gradient}),
    element_loss_forward.add({.device = kThisDevice, .name = "cuda.packs", .rank = 100, .run = element_loss}),
    element_loss_backward.add({.device = kThisDevice, .name = "cuda.packs", .rank = 100, .run = element_loss_gradient}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
