// Layer and group normalisation over rows (rows, columns): a row belongs to 1 to 32 lanes or to a block, of which each
// thread owns packs of 16 bytes. Forward reads x three times (mean, deviations, result), backward its operands twice,
// all but the first time from a cache while rows are short. Weights' gradients: f64 sums of a weight's elements over
// parts of the images, then over the parts. Bound by memory.
#include "core/ops/layer_norm.h"

#include <algorithm>

#include "kernels/cuda/rows.h"
#include "kernels/cuda/sums.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

// Which weight belongs to an element of a row; a kernel argument.
struct Weights {
  std::int64_t groups, span, per_group;
  __device__ std::int64_t of(std::int64_t row, std::int64_t i) const {
    if (groups == 1 && span == 1) return i;
    return row % groups * per_group + i / span;
  }
};
Weights weights_of(const RowNorm& rows, std::int64_t columns) {
  return {rows.groups, rows.span, rows.span > 0 ? columns / rows.span : 0};
}

template <typename T>
__global__ void normalize_rows(Rows rows, Weights weights, double eps, const T* x, const Compute<T>* weight,
                               const Compute<T>* bias, Compute<T>* mean, Compute<T>* inverse, T* y) {
  using C = Compute<T>;
  constexpr int N = kPackSize<T>;
  SharedMemory shared;
  double* exchange = shared.array<double>(kWarp + 1);
  for_each_row(rows.count, rows.width, [&](std::int64_t row, int member) {
    const auto [start, n, first, step] = RowPart<N>(rows, row, member);
    const auto sum_over = [&](C center, bool squares) {
      double sum = 0;
      for (std::int64_t i = first; i < n; i += step) {
        C values[N], part = 0;
        load_values(x + start, i, n, rows.packed, center, values);
        for (int l = 0; l < N; ++l) {
          const C d = values[l] - center;
          part += squares ? d * d : d;
        }
        sum += static_cast<double>(part);
      }
      return row_reduce(sum, Add{}, 0.0, rows.width, exchange) / static_cast<double>(rows.columns);
    };
    // Deviations from the first element keep the digits that sums of large numbers lose.
    const C pivot = n > 0 ? to_compute(x[start]) : C(0);
    const C m = static_cast<C>(static_cast<double>(pivot) + sum_over(pivot, false));
    const C factor = static_cast<C>(1 / std::sqrt(sum_over(m, true) + eps));
    if (member == 0 && n > 0) {
      mean[row] = m;
      inverse[row] = factor;
    }
    for (std::int64_t i = first; i < n; i += step) {
      C values[N];
      load_values(x + start, i, n, rows.packed, C(0), values);
      for (int l = 0; l < N; ++l) {
        const std::int64_t c = i + l < n ? weights.of(row, i + l) : 0;
        values[l] = std::fma((values[l] - m) * factor, weight ? weight[c] : C(1), bias ? bias[c] : C(0));
      }
      store_values(y + start, i, n, rows.packed, values);
    }
  });
}

template <typename T>
__global__ void row_gradients(Rows rows, Weights weights, const T* x, const T* dy, const Compute<T>* mean,
                              const Compute<T>* inverse, const Compute<T>* weight, T* dx) {
  using C = Compute<T>;
  constexpr int N = kPackSize<T>;
  SharedMemory shared;
  double* exchange = shared.array<double>(kWarp + 1);
  for_each_row(rows.count, rows.width, [&](std::int64_t row, int member) {
    const auto [start, n, first, step] = RowPart<N>(rows, row, member);
    const C m = n > 0 ? mean[row] : C(0), factor = n > 0 ? inverse[row] : C(0);
    // g and the normalised x of a pack.
    const auto load = [&](std::int64_t i, C(&g)[N], C(&normal)[N]) {
      load_values(dy + start, i, n, rows.packed, C(0), g);
      load_values(x + start, i, n, rows.packed, m, normal);
      for (int l = 0; l < N; ++l) {
        normal[l] = (normal[l] - m) * factor;
        if (weight) g[l] *= weight[i + l < n ? weights.of(row, i + l) : 0];
      }
    };
    double sum = 0, products = 0;
    for (std::int64_t i = first; i < n; i += step) {
      C g[N], normal[N], part = 0, product = 0;
      load(i, g, normal);
      for (int l = 0; l < N; ++l) part += g[l], product += g[l] * normal[l];
      sum += static_cast<double>(part);
      products += static_cast<double>(product);
    }
    const double columns = static_cast<double>(rows.columns);
    const C offset = static_cast<C>(row_reduce(sum, Add{}, 0.0, rows.width, exchange) / columns);
    const C slope = static_cast<C>(row_reduce(products, Add{}, 0.0, rows.width, exchange) / columns);
    for (std::int64_t i = first; i < n; i += step) {
      C g[N], normal[N];
      load(i, g, normal);
      for (int l = 0; l < N; ++l) g[l] = factor * (g[l] - std::fma(slope, normal[l], offset));
      store_values(dx + start, i, n, rows.packed, g);
    }
  });
}

// x as (images, channels, span): a weight's elements. `across` neighbouring weights per block (32, or 1 where spans are
// long); a thread adds every (kThreads / across)th element of the block's part, then the threads of a weight pairwise.
constexpr int kThreads = 256;
struct WeightSums {
  std::int64_t images, channels, span, per_group, groups, per_part;
  int across;
};
template <typename T>
__global__ void sum_weights(WeightSums s, const T* x, const T* dy, const Compute<T>* mean, const Compute<T>* inverse,
                            double* products, double* sums) {
  using C = Compute<T>;
  SharedMemory shared;
  double* exchange = shared.array<double>(2 * kThreads);
  const int thread = static_cast<int>(threadIdx.x), rows = kThreads / s.across;
  const std::int64_t channel = std::int64_t{blockIdx.x} * s.across + thread % s.across;
  const std::int64_t all = s.images * s.span, begin = std::int64_t{blockIdx.y} * s.per_part;
  const std::int64_t end = begin + s.per_part < all ? begin + s.per_part : all;
  double product = 0, sum = 0;
  if (channel < s.channels)
    for (std::int64_t i = begin + thread / s.across; i < end; i += rows) {
      const std::int64_t image = i / s.span, at = (image * s.channels + channel) * s.span + i % s.span;
      const std::int64_t row = image * s.groups + channel / s.per_group;
      const C d = to_compute(dy[at]);
      product += static_cast<double>(d * ((to_compute(x[at]) - mean[row]) * inverse[row]));
      sum += static_cast<double>(d);
    }
  exchange[thread] = product;
  exchange[kThreads + thread] = sum;
  for (int half = kThreads / 2; half >= s.across; half /= 2) {
    __syncthreads();
    if (thread >= half) continue;
    exchange[thread] += exchange[thread + half];
    exchange[kThreads + thread] += exchange[kThreads + thread + half];
  }
  if (thread < s.across && channel < s.channels) {
    products[blockIdx.y * s.channels + channel] = exchange[thread];
    sums[blockIdx.y * s.channels + channel] = exchange[kThreads + thread];
  }
}

template <typename C>
const C* numbers(const Tensor& v) {
  return v.defined() ? v.data<C>() : nullptr;
}

void forward(const Tensor& x, const Tensor& weight, const Tensor& bias, RowNorm norm, const Tensor& mean,
             const Tensor& inverse, const Tensor& y) {
  if (x.elements() == 0) return;
  visit_floating(x.dtype(), "layer_norm", [&]<typename T>() {
    using C = Compute<T>;
    const Rows rows = rows_of<T>(x, y);
    launch<normalize_rows<T>>({.blocks = row_grid(y, rows.count, rows.width),
                               .threads = kRowThreads,
                               .shared_bytes = kBlockReduceBytes<double>},
                              stream_of(y), rows, weights_of(norm, rows.columns), norm.eps, x.data<T>(),
                              numbers<C>(weight), numbers<C>(bias), mean.data<C>(), inverse.data<C>(), y.data<T>());
  });
}

void backward_data(const Tensor& x, const Tensor& dy, const Tensor& mean, const Tensor& inverse, const Tensor& weight,
                   RowNorm norm, const Tensor& dx) {
  if (x.elements() == 0) return;
  visit_floating(x.dtype(), "layer_norm", [&]<typename T>() {
    using C = Compute<T>;
    const Rows rows = rows_of<T>(x, dy, dx);
    launch<row_gradients<T>>({.blocks = row_grid(dx, rows.count, rows.width),
                              .threads = kRowThreads,
                              .shared_bytes = kBlockReduceBytes<double>},
                             stream_of(dx), rows, weights_of(norm, rows.columns), x.data<T>(), dy.data<T>(),
                             mean.data<C>(), inverse.data<C>(), numbers<C>(weight), dx.data<T>());
  });
}

void backward_weight(const Tensor& x, const Tensor& dy, const Tensor& mean, const Tensor& inverse, RowNorm norm,
                     const Tensor& dweight, const Tensor& dbias) {
  constexpr std::int64_t shortest_part = 2048, most_parts = 1024;
  const std::int64_t channels = dweight.elements(), images = x.size(0) / norm.groups, all = images * norm.span;
  const std::int64_t parts = std::clamp<std::int64_t>(all / shortest_part, 1, most_parts);
  const WeightSums sums{
      images, channels, norm.span, channels / norm.groups, norm.groups, ceil_div(all, parts), norm.span == 1 ? 32 : 1};
  const Tensor product = empty({parts, channels}, {DType::f64, x.device()}), sum = empty_like(product);
  visit_floating(x.dtype(), "layer_norm", [&]<typename T>() {
    using C = Compute<T>;
    launch<sum_weights<T>>(
        {.blocks = dim3(static_cast<unsigned>(ceil_div(channels, sums.across)), static_cast<unsigned>(parts)),
         .threads = kThreads,
         .shared_bytes = 2 * kThreads * sizeof(double)},
        stream_of(x), sums, x.data<T>(), dy.data<T>(), mean.data<C>(), inverse.data<C>(), product.data<double>(),
        sum.data<double>());
  });
  add_parts(product, {}, dweight);
  add_parts(sum, {}, dbias);
}

[[maybe_unused]] const bool registered[] = {
    layer_norm_forward.add({.device = kThisDevice, .name = "cuda.rows", .rank = 100, .run = forward}),
    layer_norm_backward_data.add({.device = kThisDevice, .name = "cuda.rows", .rank = 100, .run = backward_data}),
    layer_norm_backward_weight.add({.device = kThisDevice, .name = "cuda.sums", .rank = 100, .run = backward_weight}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
