// Walks over features (N, C) and images for kernels with numbers per channel: a thread owns up to 16 bytes of
// neighbouring elements and meets the same channels again and again, so that what belongs to these stays in registers.
// Where channels are adjacent the elements are of as many channels, where planes are they are of one.
#pragma once

#include <algorithm>
#include <bit>

#include "core/tensor.h"
#include "kernels/cuda/convert.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/memory.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

inline constexpr int kChannelThreads = 256;  // of a block

// A tensor with channels, and how far apart its pixels are where channels are adjacent; a kernel argument.
template <typename T>
struct ChannelData {
  T* data = nullptr;
  std::int64_t pitch = 1;

  explicit ChannelData(const Tensor& x) {
    if (!x.defined()) return;
    data = static_cast<T*>(x.raw());
    pitch = x.rank() == 2 ? x.size(1) : (x.channels_last() ? x.layout().pitch() : 1);
  }
  template <typename F>
  void each_pointer(F&& visit) {
    visit(data);
  }
};

// A kernel argument. An item is what one thread reads at once: `width` elements of a pixel, or of a plane.
struct ChannelWalk {
  bool last;   // channels are adjacent
  int across;  // neighbouring columns of a block: a power of 2 up to 32, 1 where planes are
  std::int64_t channels;
  std::int64_t columns;   // items of a pixel, or planes of an image
  std::int64_t items;     // of a column
  std::int64_t plane;     // items of one plane
  std::int64_t per_part;  // items of a column that a block owns
  std::int64_t parts;
  std::int64_t values;  // elements of a channel

  ChannelWalk(const Tensor& x, int width) : last(x.rank() == 2 || x.channels_last()), channels(x.size(1)) {
    const std::int64_t pixels = x.rank() == 2 ? 1 : x.size(2) * x.size(3);
    values = x.size(0) * pixels;
    plane = last ? 1 : pixels / width;
    columns = last ? ceil_div<std::int64_t>(channels, width) : channels;
    items = last ? values : x.size(0) * plane;
    across = last ? static_cast<int>(std::min<std::uint64_t>(32, std::bit_ceil(std::uint64_t(columns)))) : 1;
    split(1);
  }
  // Cuts columns into parts of so many items per thread at least.
  void split(std::int64_t wanted_parts) {
    const std::int64_t rows = kChannelThreads / across;
    per_part = std::max(rows, ceil_div(ceil_div(items, std::clamp<std::int64_t>(wanted_parts, 1, 4096)), rows) * rows);
    parts = std::max<std::int64_t>(1, ceil_div(items, per_part));
  }
  std::int64_t groups() const { return ceil_div(columns, across); }
  dim3 grid() const { return dim3(static_cast<unsigned>(groups()), static_cast<unsigned>(parts)); }
  // Parts such that about so many blocks run.
  void fill(std::int64_t blocks) { split(ceil_div(blocks, std::max<std::int64_t>(1, groups()))); }
};

// What a walk of the given kind needs of the addresses: packs of N elements, or single ones.
template <typename T, typename... More>
bool channel_packs(const Tensor& x, const More&... more) {
  constexpr std::int64_t N = kPackSize<T>;
  const auto fits = [&](const Tensor& t) {
    if (!t.defined()) return true;
    const bool last = t.rank() == 2 || t.channels_last();
    const std::int64_t run = last ? t.size(1) : t.size(2) * t.size(3);
    return run % N == 0 && (!last || ChannelData<T>(t).pitch % N == 0) &&
           pack_aligned<N>(static_cast<const T*>(t.raw()));
  };
  return fits(x) && (fits(more) && ...);
}

// This thread's share of a walk in packs of N elements.
template <int N>
struct ChannelShare {
  bool there;                     // whether it has a column
  std::int64_t begin, end, step;  // items of it
  std::int64_t channel;           // of the first element of an item

  __device__ explicit ChannelShare(const ChannelWalk& w) {
    const int thread = static_cast<int>(threadIdx.x);
    const std::int64_t column = std::int64_t{blockIdx.x} * w.across + thread % w.across;
    const std::int64_t first = std::int64_t{blockIdx.y} * w.per_part, stop = first + w.per_part;
    begin = first + thread / w.across;
    there = column < w.columns;
    end = there ? (stop < w.items ? stop : w.items) : 0;
    step = kChannelThreads / w.across;
    channel = there ? (w.last ? column * N : column) : 0;
  }
  // The channel of element l of an item.
  __device__ std::int64_t channel_of(const ChannelWalk& w, int l) const { return w.last ? channel + l : channel; }
  // Where an item lies in a tensor.
  __device__ std::int64_t place(const ChannelWalk& w, std::int64_t item, std::int64_t pitch) const {
    if (w.last) return item * pitch + channel;
    const std::int64_t image = ((item | w.plane) >> 32) == 0
                                   ? static_cast<std::uint32_t>(item) / static_cast<std::uint32_t>(w.plane)
                                   : item / w.plane;
    return (image * w.channels + channel) * (w.plane * N) + (item - image * w.plane) * N;
  }
};

template <typename T, int N>
__device__ void load_compute(const T* from, Compute<T> (&to)[N]) {
  const Pack<T, N> pack = load_pack<N>(from);
  for (int l = 0; l < N; ++l) to[l] = to_compute(pack.at[l]);
}
template <typename T, int N>
__device__ void store_compute(T* to, const Compute<T> (&from)[N]) {
  Pack<T, N> pack;
  for (int l = 0; l < N; ++l) pack.at[l] = to_storage<T>(from[l]);
  store_pack(to, pack);
}

// Adds each of the values over all threads of the block whose number is the same modulo `across`; all of them get the
// sums. `exchange` is shared memory for N * kChannelThreads doubles, free again after the next barrier.
template <int N>
__device__ void column_sums(double (&values)[N], int across, double* exchange) {
  const int thread = static_cast<int>(threadIdx.x);
  __syncthreads();  // a call before may still be read
  for (int l = 0; l < N; ++l) exchange[l * kChannelThreads + thread] = values[l];
  for (int half = kChannelThreads / 2; half >= across; half /= 2) {
    __syncthreads();
    if (thread < half)
      for (int l = 0; l < N; ++l)
        exchange[l * kChannelThreads + thread] += exchange[l * kChannelThreads + thread + half];
  }
  __syncthreads();
  for (int l = 0; l < N; ++l) values[l] = exchange[l * kChannelThreads + thread % across];
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
