// Parameter updates: one pass over flat ranges, all operands at once. Every thread owns packs of 16 bytes; each byte of
// an operand is read once and written once (sgd with momentum moves 5 elements per parameter, adam 7). Bound by memory.
// The learning rate and the step's number are read on the device, so that a recorded step can be replayed.
// Sums of squares: a block sums kChunk elements, one block sums the blocks; the order follows from the length alone.
#include "core/ops/update.h"

#include <cmath>

#include "kernels/cuda/convert.h"
#include "kernels/cuda/flat.h"
#include "kernels/cuda/warp.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

template <typename T>
T* pointer(const Tensor& x) {
  return x.defined() ? static_cast<T*>(x.raw()) : nullptr;
}

// --- steps ----------------------------------------------------------------------------------------------------------

template <typename T>
struct SGDNumbers {
  Compute<T> decay, momentum;
};

template <bool kMomentum, bool kNesterov, typename T>
__global__ void sgd_flat(std::int64_t elements, bool packs, SGDNumbers<T> o, const double* dynamics, const T* gradients,
                         T* momentum, T* values) {
  using C = Compute<T>;
  const C lr = static_cast<C>(dynamics[0]);
  if (std::isnan(lr)) return;
  each_pack<kPackSize<T>>(elements, packs, [&]<int n>(std::int64_t at) {
    const Pack<T, n> g = load_pack<n>(gradients + at);
    Pack<T, n> w = load_pack<n>(values + at), v;
    if constexpr (kMomentum) v = load_pack<n>(momentum + at);
    for (int i = 0; i < n; ++i) {
      const C value = to_compute(w.at[i]);
      C d = to_compute(g.at[i]) + o.decay * value;
      if constexpr (kMomentum) {
        const C moved = o.momentum * to_compute(v.at[i]) + d;
        v.at[i] = to_storage<T>(moved);
        d = kNesterov ? d + o.momentum * moved : moved;
      }
      w.at[i] = to_storage<T>(value - lr * d);
    }
    if constexpr (kMomentum) store_pack(momentum + at, v);
    store_pack(values + at, w);
  });
}

void sgd(const Tensor& gradients, const Tensor& dynamics, SGDUpdate o, const Tensor& momentum, const Tensor& values) {
  visit_floating(values.dtype(), "sgd_step", [&]<typename T>() {
    const SGDNumbers<T> numbers{static_cast<Compute<T>>(o.weight_decay), static_cast<Compute<T>>(o.momentum)};
    const T* g = pointer<T>(gradients);
    T *v = pointer<T>(momentum), *w = pointer<T>(values);
    const LaunchShape shape{.blocks = flat_grid<T>(values, values.elements()), .threads = kFlatThreads};
    const auto start = [&]<bool kMomentum, bool kNesterov>() {
      launch<sgd_flat<kMomentum, kNesterov, T>>(shape, stream_of(values), values.elements(), packs_allowed<T>(g, v, w),
                                                numbers, dynamics.data<double>(), g, v, w);
    };
    if (!momentum.defined())
      start.template operator()<false, false>();
    else if (o.nesterov)
      start.template operator()<true, true>();
    else
      start.template operator()<true, false>();
  });
}

template <typename T>
struct AdamNumbers {
  double beta1, beta2, shrink;  // shrink: the decoupled decay per unit of learning rate
  Compute<T> b1, c1, b2, c2, eps, decay;
};
// What follows from the step's number; one thread of a block computes it for the others.
template <typename C>
struct AdamStep {
  C size, correction, shrink;
};

template <typename T>
__global__ void adam_flat(std::int64_t elements, bool packs, AdamNumbers<T> o, const double* dynamics,
                          const T* gradients, T* mean, T* mean_square, T* values) {
  using C = Compute<T>;
  SharedMemory shared;
  auto* step = shared.array<AdamStep<C>>(1);
  if (threadIdx.x == 0) {
    const double lr = dynamics[0], number = dynamics[1];
    step->size = static_cast<C>(lr / (1 - std::pow(o.beta1, number)));
    step->correction = static_cast<C>(std::sqrt(1 - std::pow(o.beta2, number)));
    step->shrink = static_cast<C>(1 - lr * o.shrink);
  }
  __syncthreads();
  const AdamStep<C> s = *step;
  if (std::isnan(s.size)) return;
  each_pack<kPackSize<T>>(elements, packs, [&]<int n>(std::int64_t at) {
    const Pack<T, n> g = load_pack<n>(gradients + at);
    Pack<T, n> m = load_pack<n>(mean + at), q = load_pack<n>(mean_square + at), w = load_pack<n>(values + at);
    for (int i = 0; i < n; ++i) {
      const C value = to_compute(w.at[i]), d = to_compute(g.at[i]) + o.decay * value;
      const C mi = o.b1 * to_compute(m.at[i]) + o.c1 * d;
      const C qi = o.b2 * to_compute(q.at[i]) + o.c2 * d * d;
      m.at[i] = to_storage<T>(mi);
      q.at[i] = to_storage<T>(qi);
      w.at[i] = to_storage<T>(s.shrink * value - s.size * mi / (std::sqrt(qi) / s.correction + o.eps));
    }
    store_pack(mean + at, m);
    store_pack(mean_square + at, q);
    store_pack(values + at, w);
  });
}

void adam(const Tensor& gradients, const Tensor& dynamics, AdamUpdate o, const Tensor& mean, const Tensor& mean_square,
          const Tensor& values) {
  visit_floating(values.dtype(), "adam_step", [&]<typename T>() {
    using C = Compute<T>;
    const AdamNumbers<T> numbers{.beta1 = o.beta1,
                                 .beta2 = o.beta2,
                                 .shrink = o.decoupled ? o.weight_decay : 0,
                                 .b1 = static_cast<C>(o.beta1),
                                 .c1 = static_cast<C>(1 - o.beta1),
                                 .b2 = static_cast<C>(o.beta2),
                                 .c2 = static_cast<C>(1 - o.beta2),
                                 .eps = static_cast<C>(o.eps),
                                 .decay = static_cast<C>(o.decoupled ? 0 : o.weight_decay)};
    const T* g = pointer<T>(gradients);
    T *m = pointer<T>(mean), *q = pointer<T>(mean_square), *w = pointer<T>(values);
    launch<adam_flat<T>>({.blocks = flat_grid<T>(values, values.elements()),
                          .threads = kFlatThreads,
                          .shared_bytes = ceil_div(sizeof(AdamStep<C>), 16) * 16},
                         stream_of(values), values.elements(), packs_allowed<T>(g, m, q, w), numbers,
                         dynamics.data<double>(), g, m, q, w);
  });
}

// --- norms ----------------------------------------------------------------------------------------------------------

constexpr std::int64_t kChunk = 4096;  // elements of a block
constexpr unsigned kSumThreads = 256;

// Block b sums the squares of elements [b kChunk, (b + 1) kChunk), thread t those of t, t + 256, … of them.
template <typename T>
__global__ void square_sums(std::int64_t elements, const T* x, double* sums) {
  SharedMemory shared;
  double* exchange = shared.array<double>(kWarp + 1);
  const std::int64_t begin = blockIdx.x * kChunk;
  const std::int64_t end = begin + kChunk < elements ? begin + kChunk : elements;
  double sum = 0;
  for (std::int64_t i = begin + threadIdx.x; i < end; i += kSumThreads) {
    const auto value = static_cast<double>(to_compute(x[i]));
    sum += value * value;
  }
  sum = block_reduce(sum, Add{}, 0.0, exchange);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// One block: the sum of all, or its root.
__global__ void total(std::int64_t elements, bool root, const double* sums, double* y) {
  SharedMemory shared;
  double* exchange = shared.array<double>(kWarp + 1);
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < elements; i += kSumThreads) sum += sums[i];
  sum = block_reduce(sum, Add{}, 0.0, exchange);
  if (threadIdx.x == 0) *y = root ? std::sqrt(sum) : sum;
}

void start_total(const Tensor& sums, bool root, const Tensor& y) {
  launch<total>({.blocks = 1, .threads = kSumThreads, .shared_bytes = kBlockReduceBytes<double>}, stream_of(y),
                sums.elements(), root, sums.data<double>(), y.data<double>());
}

void sum_squares(const Tensor& x, const Tensor& y) {
  const std::int64_t chunks = ceil_div(x.elements(), kChunk);
  const Tensor sums = empty({chunks}, {DType::f64, x.device()});
  visit_floating(x.dtype(), "square_sum", [&]<typename T>() {
    launch<square_sums<T>>({.blocks = dim3(static_cast<unsigned>(chunks)),
                            .threads = kSumThreads,
                            .shared_bytes = kBlockReduceBytes<double>},
                           stream_of(y), x.elements(), pointer<T>(x), sums.data<double>());
  });
  start_total(sums, false, y);
}

void root(const Tensor& squares, const Tensor& y) { start_total(squares, true, y); }

// --- bounds ---------------------------------------------------------------------------------------------------------

template <typename T>
__global__ void scale_flat(std::int64_t elements, bool packs, double max_norm, const double* norm, T* x) {
  const double length = *norm;
  if (!(length > max_norm) || std::isinf(length)) return;
  const auto factor = static_cast<Compute<T>>(max_norm / length);
  each_pack<kPackSize<T>>(elements, packs, [&]<int n>(std::int64_t at) {
    Pack<T, n> pack = load_pack<n>(x + at);
    for (int i = 0; i < n; ++i) pack.at[i] = to_storage<T>(to_compute(pack.at[i]) * factor);
    store_pack(x + at, pack);
  });
}

void scale(const Tensor& norm, double max_norm, const Tensor& x) {
  visit_floating(x.dtype(), "scale_to_norm", [&]<typename T>() {
    launch<scale_flat<T>>({.blocks = flat_grid<T>(x, x.elements()), .threads = kFlatThreads}, stream_of(x),
                          x.elements(), packs_allowed<T>(pointer<T>(x)), max_norm, norm.data<double>(), pointer<T>(x));
  });
}

template <typename T>
__global__ void clamp_flat(std::int64_t elements, bool packs, Compute<T> bound, T* x) {
  each_pack<kPackSize<T>>(elements, packs, [&]<int n>(std::int64_t at) {
    Pack<T, n> pack = load_pack<n>(x + at);
    for (int i = 0; i < n; ++i) {
      const Compute<T> value = to_compute(pack.at[i]);
      pack.at[i] = value > bound ? to_storage<T>(bound) : value < -bound ? to_storage<T>(-bound) : pack.at[i];
    }
    store_pack(x + at, pack);
  });
}

void clamp(double bound, const Tensor& x) {
  visit_floating(x.dtype(), "clamp_values", [&]<typename T>() {
    launch<clamp_flat<T>>({.blocks = flat_grid<T>(x, x.elements()), .threads = kFlatThreads}, stream_of(x),
                          x.elements(), packs_allowed<T>(pointer<T>(x)), static_cast<Compute<T>>(bound), pointer<T>(x));
  });
}

[[maybe_unused]] const bool registered[] = {
    sgd_step.add({.device = kThisDevice, .name = "cuda.flat", .rank = 100, .run = sgd}),
    adam_step.add({.device = kThisDevice, .name = "cuda.flat", .rank = 100, .run = adam}),
    square_sum.add({.device = kThisDevice, .name = "cuda.chunks", .rank = 100, .run = sum_squares}),
    root_of_sum.add({.device = kThisDevice, .name = "cuda.block", .rank = 100, .run = root}),
    scale_to_norm.add({.device = kThisDevice, .name = "cuda.flat", .rank = 100, .run = scale}),
    clamp_values.add({.device = kThisDevice, .name = "cuda.flat", .rank = 100, .run = clamp}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
