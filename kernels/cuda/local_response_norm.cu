// Local response normalisation. A thread owns one element and reads the channels around it, which its neighbours read
// too: `size` reads from a cache, one from memory, one write. Backward, a first kernel writes the terms of the second
// sum (f32, or f64) and a second one adds them up: 5 passes over memory. Bound by memory.
#include "kernels/response.h"

#include "kernels/cuda/convert.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/places.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

constexpr unsigned kThreads = 256;

// Images (outer, channels, inner): channel c of (o, i) lies at o * outer_step + c * channel_step + i.
struct Images {
  std::int64_t outer, channels, inner, outer_step, channel_step;

  explicit Images(const Tensor& x) : channels(x.size(1)) {
    const bool last = x.channels_last();
    outer = last ? x.size(0) * x.size(2) * x.size(3) : x.size(0);
    inner = last ? 1 : x.size(2) * x.size(3);
    outer_step = last ? x.layout().pitch() : channels * inner;
    channel_step = last ? 1 : inner;
  }
  WEFT_HOST_DEVICE std::int64_t elements() const { return outer * channels * inner; }
  __device__ std::int64_t at(std::int64_t o, std::int64_t c, std::int64_t i) const {
    return o * outer_step + c * channel_step + i;
  }
};
struct Element {
  std::int64_t outer, channel, inner;
};
__device__ inline Element element_of(const Images& images, std::int64_t item) {
  const std::int64_t rest = quotient(item, images.inner), outer = quotient(rest, images.channels);
  return {outer, rest - outer * images.channels, item - rest * images.inner};
}

// body(c) for the channels from `channel` - before to `channel` + after that there are.
template <typename F>
__device__ void each_neighbour(const Images& images, std::int64_t channel, int before, int after, const F& body) {
  const std::int64_t first = channel > before ? channel - before : 0;
  const std::int64_t last = channel + after < images.channels ? channel + after : images.channels - 1;
  for (std::int64_t c = first; c <= last; ++c) body(c);
}
template <typename T, typename C>
__device__ C base_of(const Images& images, const Response<C>& response, const T* x, const Element& e) {
  C sum = 0;
  each_neighbour(images, e.channel, response.before, response.after, [&](std::int64_t c) {
    const C value = to_compute(x[images.at(e.outer, c, e.inner)]);
    sum += value * value;
  });
  return response.base(sum);
}

template <typename T>
__global__ void normalise(Images in, Images out, Response<Compute<T>> response, const T* x, T* y) {
  for (std::int64_t item = first_item(); item < in.elements(); item += item_step()) {
    const Element e = element_of(in, item);
    const Compute<T> power = response.power(base_of(in, response, x, e));
    y[out.at(e.outer, e.channel, e.inner)] = to_storage<T>(to_compute(x[in.at(e.outer, e.channel, e.inner)]) * power);
  }
}

// terms = dy * x * s^(-beta - 1), dense.
template <typename T>
__global__ void response_terms(Images in, Images dys, Images dense, Response<Compute<T>> response, const T* x,
                               const T* dy, Compute<T>* terms) {
  using C = Compute<T>;
  for (std::int64_t item = first_item(); item < in.elements(); item += item_step()) {
    const Element e = element_of(in, item);
    const C base = base_of(in, response, x, e);
    const C value = to_compute(x[in.at(e.outer, e.channel, e.inner)]);
    const C gradient = to_compute(dy[dys.at(e.outer, e.channel, e.inner)]);
    terms[dense.at(e.outer, e.channel, e.inner)] = gradient * value * (response.power(base) / base);
  }
}

template <typename T>
__global__ void response_gradient(Images in, Images dys, Images dense, Images out, Response<Compute<T>> response,
                                  const T* x, const T* dy, const Compute<T>* terms, T* dx) {
  using C = Compute<T>;
  for (std::int64_t item = first_item(); item < in.elements(); item += item_step()) {
    const Element e = element_of(in, item);
    const C power = response.power(base_of(in, response, x, e));
    C sum = 0;
    each_neighbour(in, e.channel, response.after, response.before,
                   [&](std::int64_t c) { sum += terms[dense.at(e.outer, c, e.inner)]; });
    const C value = to_compute(x[in.at(e.outer, e.channel, e.inner)]);
    const C gradient = to_compute(dy[dys.at(e.outer, e.channel, e.inner)]);
    const C factor = C(2) * response.scale * response.beta;
    dx[out.at(e.outer, e.channel, e.inner)] = to_storage<T>(gradient * power - factor * value * sum);
  }
}

void forward(const Tensor& x, LocalResponseNormOptions o, const Tensor& y) {
  if (x.elements() == 0) return;
  visit_floating(x.dtype(), "local_response_norm", [&]<typename T>() {
    launch<normalise<T>>({.blocks = grid_for(y, x.elements(), kThreads), .threads = kThreads}, stream_of(y), Images(x),
                         Images(y), Response<Compute<T>>(o), x.data<T>(), y.data<T>());
  });
}

void backward(const Tensor& x, const Tensor& dy, LocalResponseNormOptions o, const Tensor& dx) {
  if (x.elements() == 0) return;
  const DType compute = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  const Tensor terms = empty(x.shape(), {compute, x.device(), x.format()});
  const LaunchShape shape{.blocks = grid_for(dx, x.elements(), kThreads), .threads = kThreads};
  visit_floating(x.dtype(), "local_response_norm", [&]<typename T>() {
    using C = Compute<T>;
    launch<response_terms<T>>(shape, stream_of(dx), Images(x), Images(dy), Images(terms), Response<C>(o), x.data<T>(),
                              dy.data<T>(), terms.data<C>());
    launch<response_gradient<T>>(shape, stream_of(dx), Images(x), Images(dy), Images(terms), Images(dx), Response<C>(o),
                                 x.data<T>(), dy.data<T>(), terms.data<C>(), dx.data<T>());
  });
}

[[maybe_unused]] const bool registered[] = {
    local_response_norm_forward.add({.device = kThisDevice, .name = "cuda.elements", .rank = 100, .run = forward}),
    local_response_norm_backward.add({.device = kThisDevice, .name = "cuda.elements", .rank = 100, .run = backward}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
