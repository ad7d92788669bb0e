// Sums over parts and over all but the channels, in f64: two numbers a byte at most, so memory is what bounds them.

#include "kernels/cuda/sums.h"

#include <algorithm>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/memory.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

constexpr int kThreads = 256;

// A thread owns elements of y, grid-stride; reads parts * sizeof(P) bytes and writes sizeof(T) per element.
template <typename P, typename T>
__global__ void sum_parts(std::int64_t parts, std::int64_t elements, const P* partial, const T* bias,
                          std::int64_t columns, T* y) {
  for (std::int64_t i = first_item(); i < elements; i += item_step()) {
    double sum = bias ? static_cast<double>(static_cast<Compute<T>>(bias[i % columns])) : 0;
    for (std::int64_t p = 0; p < parts; ++p) sum += static_cast<double>(partial[p * elements + i]);
    y[i] = static_cast<T>(static_cast<Compute<T>>(sum));
  }
}

// x as (outer, channels, inner), each with a stride of its own.
struct Channels {
  std::int64_t outer, channels, inner;
  std::int64_t outer_step, channel_step, inner_step;
};

// `across` neighbouring channels per block (32, or 1 where neighbours in memory are of one channel): a thread adds up
// every (kThreads / across)th element of the block's part of one channel, then the threads of a channel add pairwise.
// Reads each element once: bound by memory.
template <typename T>
__global__ void sum_channels(Channels c, int across, std::int64_t per_part, const T* x, double* partial) {
  SharedMemory shared;
  double* sums = shared.array<double>(kThreads);
  const int thread = static_cast<int>(threadIdx.x), rows = kThreads / across;
  const std::int64_t channel = std::int64_t{blockIdx.x} * across + thread % across;
  const std::int64_t all = c.outer * c.inner, begin = std::int64_t{blockIdx.y} * per_part;
  const std::int64_t end = begin + per_part < all ? begin + per_part : all;
  double sum = 0;
  if (channel < c.channels)
    for (std::int64_t i = begin + thread / across; i < end; i += rows)
      sum += static_cast<double>(static_cast<Compute<T>>(
          x[i / c.inner * c.outer_step + i % c.inner * c.inner_step + channel * c.channel_step]));
  sums[thread] = sum;
  for (int half = kThreads / 2; half >= across; half /= 2) {
    __syncthreads();
    if (thread < half) sums[thread] += sums[thread + half];
  }
  if (thread < across && channel < c.channels) partial[blockIdx.y * c.channels + channel] = sums[thread];
}

}  // namespace

void add_parts(const Tensor& partial, const Tensor& bias, const Tensor& y) {
  const std::int64_t elements = y.elements(), parts = elements > 0 ? partial.elements() / elements : 0;
  const std::int64_t columns = y.rank() > 0 ? y.size(-1) : 1;
  visit_floating(y.dtype(), "add_parts", [&]<typename T>() {
    const auto run = [&]<typename P>(const P* from) {
      launch<sum_parts<P, T>>({.blocks = grid_for(y, elements, kThreads), .threads = kThreads}, stream_of(y), parts,
                              elements, from, bias.defined() ? bias.data<T>() : nullptr, columns, y.data<T>());
    };
    partial.dtype() == DType::f64 ? run(partial.data<double>()) : run(partial.data<float>());
  });
}

void channel_sums(const Tensor& x, const Tensor& sums) {
  constexpr std::int64_t shortest_part = 2048, most_parts = 1024;
  const bool image = x.rank() == 4;
  const Channels c{.outer = x.size(0),
                   .channels = x.size(1),
                   .inner = image ? x.size(2) * x.size(3) : 1,
                   .outer_step = x.strides()[0],
                   .channel_step = x.strides()[1],
                   .inner_step = image ? x.strides()[3] : 0};
  const std::int64_t all = c.outer * c.inner;
  const std::int64_t parts = std::clamp<std::int64_t>(all / shortest_part, 1, most_parts);
  const int across = image && c.inner_step == 1 ? 1 : 32;
  const Tensor partial = empty({parts, c.channels}, {DType::f64, x.device()});
  visit_floating(x.dtype(), "channel_sums", [&]<typename T>() {
    launch<sum_channels<T>>(
        {.blocks = dim3(static_cast<unsigned>(ceil_div(c.channels, across)), static_cast<unsigned>(parts)),
         .threads = kThreads,
         .shared_bytes = kThreads * sizeof(double)},
        stream_of(x), c, across, ceil_div(all, parts), x.data<T>(), partial.data<double>());
  });
  add_parts(partial, {}, sums);
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
