// Batch normalisation element by element: y from x, dx from dz. A thread owns a pack of 16 bytes of a pixel's channels
// (or of a plane) in pixel after pixel and keeps what belongs to its channels in registers. Each operand is read once
// and the result written once; some 5 operations an element: bound by memory.
#include "core/ops/batch_norm.h"

#include "kernels/cuda/channels.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

// y = relu((x - mean) / sqrt(variance + eps) * weight + bias + addend); weight, bias and addend may be null.
template <typename T, int N>
__global__ void normalize(ChannelWalk walk, double eps, bool relu, ChannelData<const T> x, const Compute<T>* mean,
                          const Compute<T>* variance, const Compute<T>* weight, const Compute<T>* bias,
                          ChannelData<const T> addend, ChannelData<T> y) {
  using C = Compute<T>;
  const ChannelShare<N> share(walk);
  C center[N], scale[N], shift[N];
  for (int l = 0; l < N; ++l) {
    const std::int64_t c = share.channel_of(walk, l);
    center[l] = mean[c];
    scale[l] = (weight ? weight[c] : C(1)) / std::sqrt(variance[c] + static_cast<C>(eps));
    shift[l] = bias ? bias[c] : C(0);
  }
  for (std::int64_t i = share.begin; i < share.end; i += share.step) {
    C values[N];
    load_compute<T, N>(x.data + share.place(walk, i, x.pitch), values);
    for (int l = 0; l < N; ++l) values[l] = std::fma(values[l] - center[l], scale[l], shift[l]);
    if (addend.data) {
      C more[N];
      load_compute<T, N>(addend.data + share.place(walk, i, addend.pitch), more);
      for (int l = 0; l < N; ++l) values[l] += more[l];
    }
    for (int l = 0; l < N; ++l) values[l] = relu && values[l] < 0 ? C(0) : values[l];
    store_compute<T, N>(y.data + share.place(walk, i, y.pitch), values);
  }
}

// dx = scale * dz - (slope * (x - mean) + offset), dz = y > 0 ? dy : 0. y is null where no ReLU was, dweight and dbias
// where mean and variance are constants.
template <typename T, int N>
__global__ void data_gradient(ChannelWalk walk, double eps, ChannelData<const T> x, ChannelData<const T> y,
                              ChannelData<const T> dy, const Compute<T>* mean, const Compute<T>* variance,
                              const Compute<T>* weight, const Compute<T>* dweight, const Compute<T>* dbias,
                              ChannelData<T> dx) {
  using C = Compute<T>;
  const ChannelShare<N> share(walk);
  const C share_of_one = C(1) / static_cast<C>(walk.values);
  C center[N], scale[N], slope[N], offset[N];
  for (int l = 0; l < N; ++l) {
    const std::int64_t c = share.channel_of(walk, l);
    const C inverse = C(1) / std::sqrt(variance[c] + static_cast<C>(eps));
    center[l] = mean[c];
    scale[l] = (weight ? weight[c] : C(1)) * inverse;
    slope[l] = dweight ? scale[l] * inverse * dweight[c] * share_of_one : C(0);
    offset[l] = dbias ? scale[l] * dbias[c] * share_of_one : C(0);
  }
  for (std::int64_t i = share.begin; i < share.end; i += share.step) {
    C gradient[N];
    load_compute<T, N>(dy.data + share.place(walk, i, dy.pitch), gradient);
    if (y.data) {
      C sign[N];
      load_compute<T, N>(y.data + share.place(walk, i, y.pitch), sign);
      for (int l = 0; l < N; ++l) gradient[l] = sign[l] <= 0 ? C(0) : gradient[l];
    }
    for (int l = 0; l < N; ++l) gradient[l] *= scale[l];
    if (dweight) {
      C values[N];
      load_compute<T, N>(x.data + share.place(walk, i, x.pitch), values);
      for (int l = 0; l < N; ++l) gradient[l] -= std::fma(slope[l], values[l] - center[l], offset[l]);
    }
    store_compute<T, N>(dx.data + share.place(walk, i, dx.pitch), gradient);
  }
}

template <typename C>
const C* numbers(const Tensor& x) {
  return x.defined() ? x.data<C>() : nullptr;
}
ChannelWalk filling_walk(const Tensor& x, int width) {
  ChannelWalk walk(x, width);
  walk.fill(8LL * multiprocessors_of(x));
  return walk;
}

void forward(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight, const Tensor& bias,
             const Tensor& addend, double eps, bool relu, const Tensor& y) {
  if (x.elements() == 0) return;
  visit_floating(x.dtype(), "batch_norm", [&]<typename T>() {
    using C = Compute<T>;
    const auto run = [&]<int N>() {
      const ChannelWalk walk = filling_walk(x, N);
      launch<normalize<T, N>>({.blocks = walk.grid(), .threads = kChannelThreads}, stream_of(y), walk, eps, relu,
                              ChannelData<const T>(x), mean.data<C>(), variance.data<C>(), numbers<C>(weight),
                              numbers<C>(bias), ChannelData<const T>(addend), ChannelData<T>(y));
    };
    channel_packs<T>(x, addend, y) ? run.template operator()<kPackSize<T>>() : run.template operator()<1>();
  });
}

void backward_data(const Tensor& x, const Tensor& y, const Tensor& dy, const Tensor& mean, const Tensor& variance,
                   const Tensor& weight, const Tensor& dweight, const Tensor& dbias, double eps, const Tensor& dx) {
  if (x.elements() == 0) return;
  visit_floating(x.dtype(), "batch_norm", [&]<typename T>() {
    using C = Compute<T>;
    const auto run = [&]<int N>() {
      const ChannelWalk walk = filling_walk(x, N);
      launch<data_gradient<T, N>>({.blocks = walk.grid(), .threads = kChannelThreads}, stream_of(dx), walk, eps,
                                  ChannelData<const T>(x), ChannelData<const T>(y), ChannelData<const T>(dy),
                                  mean.data<C>(), variance.data<C>(), numbers<C>(weight), numbers<C>(dweight),
                                  numbers<C>(dbias), ChannelData<T>(dx));
    };
    channel_packs<T>(x, y, dy, dx) ? run.template operator()<kPackSize<T>>() : run.template operator()<1>();
  });
}

[[maybe_unused]] const bool registered[] = {
    batch_norm_forward.add({.device = kThisDevice, .name = "cuda.channels", .rank = 100, .run = forward}),
    batch_norm_backward_data.add({.device = kThisDevice, .name = "cuda.channels", .rank = 100, .run = backward_data}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
