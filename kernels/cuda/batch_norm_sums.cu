// The two sums per channel that batch normalisation needs, forward (mean, squared deviations) and backward (dz and
// dz * (x - mean)). A block owns a part of up to 32 neighbouring packs of channels, or of one channel's planes; its
// threads add in the compute type what they meet, then f64 takes over: over the block, and in a second kernel over the
// parts. Each operand is read once, 16 bytes at a time: bound by memory.
//
// Note [Pivots] A thread sums deviations from its first value. Where that is far from all others, so is the variance
// large: digits are lost nowhere.
#include "core/ops/batch_norm.h"

#include "kernels/cuda/channels.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

// Items of a thread in these sums: enough to hide what the block's sum costs, and blocks for a large device.
constexpr std::int64_t kShortest = 4, kLongest = 64, kBlocks = 528;

ChannelWalk summing_walk(const Tensor& x, int width) {
  ChannelWalk walk(x, width);
  const std::int64_t rows = kChannelThreads / walk.across;
  const std::int64_t fair =
      ceil_div(ceil_div(walk.items, rows), ceil_div(kBlocks, std::max<std::int64_t>(1, walk.groups())));
  walk.split(ceil_div(ceil_div(walk.items, rows), std::clamp(fair, kShortest, kLongest)));
  return walk;
}
template <int N>
constexpr std::size_t kExchangeBytes = N * kChannelThreads * sizeof(double);

// The first thread of each column writes its channels' numbers to [part][channel].
template <int N>
__device__ void write_part(const ChannelWalk& walk, const ChannelShare<N>& share, const double (&a)[N],
                           const double (&b)[N], double* partial) {
  const std::int64_t all = walk.parts * walk.channels;
  if (static_cast<int>(threadIdx.x) >= walk.across || !share.there) return;
  for (int l = 0; l < N; ++l) {
    if (l > 0 && !walk.last) continue;
    double* to = partial + blockIdx.y * walk.channels + share.channel_of(walk, l);
    to[0] = a[l];
    to[all] = b[l];
  }
}
// Where planes are, the elements of a pack are of one channel: all sums become their sum.
template <int N>
__device__ void join_pack(const ChannelWalk& walk, double (&values)[N]) {
  if (walk.last) return;
  double sum = 0;
  for (int l = 0; l < N; ++l) sum += values[l];
  for (int l = 0; l < N; ++l) values[l] = sum;
}

// partial [2][part][channel]: mean and squared deviations from it.
template <typename T, int N>
__global__ void part_moments(ChannelWalk walk, ChannelData<const T> x, double* partial) {
  using C = Compute<T>;
  SharedMemory shared;
  double* exchange = shared.array<double>(N * kChannelThreads);
  const ChannelShare<N> share(walk);
  C pivot[N] = {}, sum[N] = {}, squares[N] = {};
  if (share.begin < share.end) load_compute<T, N>(x.data + share.place(walk, share.begin, x.pitch), pivot);
  int count = 0;
  for (std::int64_t i = share.begin; i < share.end; i += share.step, ++count) {
    C values[N];
    load_compute<T, N>(x.data + share.place(walk, i, x.pitch), values);
    for (int l = 0; l < N; ++l) {
      const C d = values[l] - pivot[l];
      sum[l] += d;
      squares[l] += d * d;
    }
  }
  const std::int64_t stop = (std::int64_t{blockIdx.y} + 1) * walk.per_part;
  const auto block_count = static_cast<double>((stop < walk.items ? stop : walk.items) - stop + walk.per_part);
  const double n = count, values = block_count * (walk.last ? 1 : N), inverse = count > 0 ? 1.0 / count : 0;
  double mean[N], total[N];
  for (int l = 0; l < N; ++l) mean[l] = total[l] = n * static_cast<double>(pivot[l]) + static_cast<double>(sum[l]);
  join_pack(walk, total);
  column_sums(total, walk.across, exchange);
  double deviations[N];
  for (int l = 0; l < N; ++l) {
    total[l] /= values;
    const double s = static_cast<double>(sum[l]), delta = mean[l] * inverse - total[l];
    deviations[l] = static_cast<double>(squares[l]) - s * s * inverse + n * delta * delta;
  }
  join_pack(walk, deviations);
  column_sums(deviations, walk.across, exchange);
  write_part(walk, share, total, deviations, partial);
}

// The sums of the parts: 8 channels a block, 32 threads each.
constexpr int kFinishChannels = 8;
struct Finish {
  std::int64_t channels, parts;
};
__device__ inline double part_sum(double sum, double* exchange) {
  double values[1] = {sum};
  column_sums(values, kFinishChannels, exchange);
  return values[0];
}

struct RunningUpdate {
  double keep, take;  // 1 - momentum and momentum
  double unbiased;    // n / (n - 1), or 1
};
template <typename C>
__device__ void update_running(const RunningUpdate& o, std::int64_t c, double mean, double variance, C* running_mean,
                               C* running_variance, std::int64_t* batches) {
  if (running_mean) running_mean[c] = static_cast<C>(o.keep * static_cast<double>(running_mean[c]) + o.take * mean);
  if (running_variance)
    running_variance[c] =
        static_cast<C>(o.keep * static_cast<double>(running_variance[c]) + o.take * o.unbiased * variance);
  if (batches && c == 0) *batches += 1;
}

template <typename C>
__global__ void finish_moments(Finish f, std::int64_t items, std::int64_t per_part, double values_per_item,
                               RunningUpdate update, const double* partial, C* mean, C* variance, C* running_mean,
                               C* running_variance, std::int64_t* batches) {
  SharedMemory shared;
  double* exchange = shared.array<double>(kChannelThreads);
  const int thread = static_cast<int>(threadIdx.x), row = thread / kFinishChannels;
  const std::int64_t c = std::int64_t{blockIdx.x} * kFinishChannels + thread % kFinishChannels;
  const std::int64_t parts = c < f.channels ? f.parts : 0, all = f.parts * f.channels;
  const double n = static_cast<double>(items) * values_per_item;
  const auto values_of = [&](std::int64_t part) {
    const std::int64_t begin = part * per_part;
    return static_cast<double>(begin + per_part < items ? per_part : items - begin) * values_per_item;
  };
  double sum = 0;
  for (std::int64_t p = row; p < parts; p += kChannelThreads / kFinishChannels)
    sum += values_of(p) * partial[p * f.channels + c];
  const double m = part_sum(sum, exchange) / n;
  double squares = 0;
  for (std::int64_t p = row; p < parts; p += kChannelThreads / kFinishChannels) {
    const double delta = partial[p * f.channels + c] - m;
    squares += partial[all + p * f.channels + c] + values_of(p) * delta * delta;
  }
  const double v = part_sum(squares, exchange) / n;
  if (row > 0 || c >= f.channels) return;
  mean[c] = static_cast<C>(m);
  variance[c] = static_cast<C>(v);
  update_running(update, c, m, v, running_mean, running_variance, batches);
}

template <typename T>
T* pointer(const Tensor& x) {
  return x.defined() ? static_cast<T*>(x.raw()) : nullptr;
}
RunningUpdate update_of(const BatchNormOptions& o, std::int64_t n) {
  const double values = static_cast<double>(n);
  return {1 - o.momentum, o.momentum, o.moving == MovingVariance::unbiased ? values / (values - 1) : 1};
}
LaunchShape finish_shape(std::int64_t channels) {
  return {.blocks = dim3(static_cast<unsigned>(ceil_div(channels, kFinishChannels))),
          .threads = kChannelThreads,
          .shared_bytes = kExchangeBytes<1>};
}

void statistics(const Tensor& x, BatchNormOptions options, const Tensor& mean, const Tensor& variance,
                const Tensor& running_mean, const Tensor& running_variance, const Tensor& batches) {
  visit_floating(x.dtype(), "batch_norm", [&]<typename T>() {
    using C = Compute<T>;
    const auto run = [&]<int N>() {
      const ChannelWalk walk = summing_walk(x, N);
      const Tensor partial = empty({2, walk.parts, walk.channels}, {DType::f64, x.device()});
      launch<part_moments<T, N>>({.blocks = walk.grid(), .threads = kChannelThreads, .shared_bytes = kExchangeBytes<N>},
                                 stream_of(x), walk, ChannelData<const T>(x), partial.data<double>());
      launch<finish_moments<C>>(finish_shape(walk.channels), stream_of(x), Finish{walk.channels, walk.parts},
                                walk.items, walk.per_part, walk.last ? 1.0 : double(N), update_of(options, walk.values),
                                partial.data<double>(), mean.data<C>(), variance.data<C>(), pointer<C>(running_mean),
                                pointer<C>(running_variance), pointer<std::int64_t>(batches));
    };
    channel_packs<T>(x) ? run.template operator()<kPackSize<T>>() : run.template operator()<1>();
  });
}

template <typename C>
__global__ void move_running(std::int64_t channels, RunningUpdate update, const C* mean, const C* variance,
                             C* running_mean, C* running_variance, std::int64_t* batches) {
  for (std::int64_t c = first_item(); c < channels; c += item_step())
    update_running(update, c, static_cast<double>(mean[c]), static_cast<double>(variance[c]), running_mean,
                   running_variance, batches);
}
void running(const Tensor& mean, const Tensor& variance, std::int64_t n, BatchNormOptions options,
             const Tensor& running_mean, const Tensor& running_variance, const Tensor& batches) {
  const auto run = [&]<typename C>() {
    launch<move_running<C>>({.blocks = grid_for(mean, mean.elements(), 128), .threads = 128}, stream_of(mean),
                            mean.elements(), update_of(options, n), mean.data<C>(), variance.data<C>(),
                            pointer<C>(running_mean), pointer<C>(running_variance), pointer<std::int64_t>(batches));
  };
  mean.dtype() == DType::f64 ? run.template operator()<double>() : run.template operator()<float>();
}

// --- backward --------------------------------------------------------------------------------------------------------

// partial [2][part][channel]: the sums of dz and of dz * (x - mean). y is null where no ReLU was; dz where nobody wants
// it.
template <typename T, int N>
__global__ void part_products(ChannelWalk walk, ChannelData<const T> x, ChannelData<const T> y, ChannelData<const T> dy,
                              const Compute<T>* mean, ChannelData<T> dz, double* partial) {
  using C = Compute<T>;
  SharedMemory shared;
  double* exchange = shared.array<double>(N * kChannelThreads);
  const ChannelShare<N> share(walk);
  C center[N], sum[N] = {}, products[N] = {};
  for (int l = 0; l < N; ++l) center[l] = mean[share.channel_of(walk, l)];
  for (std::int64_t i = share.begin; i < share.end; i += share.step) {
    C values[N], gradient[N];
    load_compute<T, N>(x.data + share.place(walk, i, x.pitch), values);
    load_compute<T, N>(dy.data + share.place(walk, i, dy.pitch), gradient);
    if (y.data) {
      C sign[N];
      load_compute<T, N>(y.data + share.place(walk, i, y.pitch), sign);
      for (int l = 0; l < N; ++l) gradient[l] = sign[l] <= 0 ? C(0) : gradient[l];
    }
    if (dz.data) store_compute<T, N>(dz.data + share.place(walk, i, dz.pitch), gradient);
    for (int l = 0; l < N; ++l) {
      sum[l] += gradient[l];
      products[l] += gradient[l] * (values[l] - center[l]);
    }
  }
  double a[N], b[N];
  for (int l = 0; l < N; ++l) a[l] = static_cast<double>(sum[l]), b[l] = static_cast<double>(products[l]);
  join_pack(walk, a);
  join_pack(walk, b);
  column_sums(a, walk.across, exchange);
  column_sums(b, walk.across, exchange);
  write_part(walk, share, a, b, partial);
}

template <typename C>
__global__ void finish_products(Finish f, double eps, const double* partial, const C* variance, C* dweight, C* dbias) {
  SharedMemory shared;
  double* exchange = shared.array<double>(kChannelThreads);
  const int thread = static_cast<int>(threadIdx.x), row = thread / kFinishChannels;
  const std::int64_t c = std::int64_t{blockIdx.x} * kFinishChannels + thread % kFinishChannels;
  const std::int64_t parts = c < f.channels ? f.parts : 0, all = f.parts * f.channels;
  double sum = 0, products = 0;
  for (std::int64_t p = row; p < parts; p += kChannelThreads / kFinishChannels) {
    sum += partial[p * f.channels + c];
    products += partial[all + p * f.channels + c];
  }
  sum = part_sum(sum, exchange);
  products = part_sum(products, exchange);
  if (row > 0 || c >= f.channels) return;
  dbias[c] = static_cast<C>(sum);
  dweight[c] = static_cast<C>(products / std::sqrt(static_cast<double>(variance[c]) + eps));
}

void backward_sums(const Tensor& x, const Tensor& y, const Tensor& dy, const Tensor& mean, const Tensor& variance,
                   double eps, const Tensor& dweight, const Tensor& dbias, const Tensor& dz) {
  visit_floating(x.dtype(), "batch_norm", [&]<typename T>() {
    using C = Compute<T>;
    const auto run = [&]<int N>() {
      const ChannelWalk walk = summing_walk(x, N);
      const Tensor partial = empty({2, walk.parts, walk.channels}, {DType::f64, x.device()});
      launch<part_products<T, N>>(
          {.blocks = walk.grid(), .threads = kChannelThreads, .shared_bytes = kExchangeBytes<N>}, stream_of(x), walk,
          ChannelData<const T>(x), ChannelData<const T>(y), ChannelData<const T>(dy), mean.data<C>(),
          ChannelData<T>(dz), partial.data<double>());
      launch<finish_products<C>>(finish_shape(walk.channels), stream_of(x), Finish{walk.channels, walk.parts}, eps,
                                 partial.data<double>(), variance.data<C>(), dweight.data<C>(), dbias.data<C>());
    };
    channel_packs<T>(x, y, dy, dz) ? run.template operator()<kPackSize<T>>() : run.template operator()<1>();
  });
}

[[maybe_unused]] const bool registered[] = {
    batch_norm_statistics.add({.device = kThisDevice, .name = "cuda.channels", .rank = 100, .run = statistics}),
    batch_norm_running.add({.device = kThisDevice, .name = "cuda.channels", .rank = 100, .run = running}),
    batch_norm_backward_sums.add({.device = kThisDevice, .name = "cuda.channels", .rank = 100, .run = backward_sums}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
