// Convolutions of f16 and bf16 on tensor cores (windows.h, tensor_tiles.h): products of channels-last images, whose
// chunks of 8 channels are copied straight from where the windows lie, and of the filter, which is put into the order
// (tap, channel) first. One multiply-add per tap and output. A tile's image is read once per tap: from L2, or from L1
// where the taps of one stage share pixels. Bound by the tensor cores from some 64 channels on, by memory below.

#include "core/ops/conv2d.h"

#include <algorithm>

#include "kernels/cuda/sums.h"
#include "kernels/cuda/tensor_tiles.h"
#include "kernels/cuda/windows.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

// weight (K, C/groups, R * S) as (groups, columns, R * S, channels): columns are the output channels and channels the
// input channels of a group, or the other way round. A thread owns elements of the result; reads and writes each once.
__global__ void order_filter(std::int64_t elements, std::int64_t group_k, std::int64_t group_c, std::int64_t taps,
                             bool columns_are_outputs, const std::uint16_t* weight, std::uint16_t* ordered) {
  const std::int64_t channels = columns_are_outputs ? group_c : group_k;
  const std::int64_t columns = columns_are_outputs ? group_k : group_c;
  for (std::int64_t i = first_item(); i < elements; i += item_step()) {
    const std::int64_t channel = i % channels, tap = i / channels % taps, column = i / (channels * taps) % columns;
    const std::int64_t group = i / (channels * taps * columns);
    const std::int64_t k = columns_are_outputs ? column : channel, c = columns_are_outputs ? channel : column;
    ordered[i] = weight[((group * group_k + k) * group_c + c) * taps + tap];
  }
}

// dw (K, C/groups, R * S) = the sum over its parts of partial (parts, K, R * S, C/groups), in rising order. A thread
// owns elements of a part, grid-stride.
template <typename T>
__global__ void sum_filter_parts(std::int64_t parts, std::int64_t elements, std::int64_t channels, std::int64_t taps,
                                 const float* partial, T* dw) {
  for (std::int64_t i = first_item(); i < elements; i += item_step()) {
    double sum = 0;
    for (std::int64_t p = 0; p < parts; ++p) sum += static_cast<double>(partial[p * elements + i]);
    const std::int64_t channel = i % channels, tap = i / channels % taps, k = i / (channels * taps);
    dw[(k * channels + channel) * taps + tap] = static_cast<T>(static_cast<float>(sum));
  }
}

// Chunks are 8 channels of the pixel that a tap sees. As rows of the left operand, pixels with the taps as depth
// (Along); as columns of the right one, taps with the pixels as depth.
template <typename T, bool Along>
struct WindowChunks {
  using Place = WindowPlace;
  static constexpr bool kAlong = Along;
  const T* image;
  const Windows& windows;

  __device__ Place pixel(std::int64_t i, std::int64_t end) const {
    return i < end ? pixel_place(windows, i) : Place{Place::kNone, 0, 0};
  }
  __device__ Place tap(std::int64_t i, std::int64_t end) const {
    return i < end ? tap_place(windows, tap_at(windows, i)) : Place{Place::kNone, 0, 0};
  }
  __device__ Place row(std::int64_t i) const { return Along ? pixel(i, windows.pixels()) : tap(i, windows.taps()); }
  __device__ Place step(std::int64_t k, std::int64_t end) const { return Along ? tap(k, end) : pixel(k, end); }
  __device__ Chunk chunk(const Place& row, const Place& step) const {
    return {image + (row.at + step.at), inside(windows, row, step) ? 16 : 0};
  }
};

// Chunks of the ordered filter: columns of the right operand, the taps as depth.
template <typename T>
struct FilterChunks {
  using Place = Limited;
  static constexpr bool kAlong = true;
  const T* filter;
  const Windows& windows;
  std::int64_t columns, column_step, width;  // width: of the filter

  __device__ Place row(std::int64_t j) const { return limited(j, column_step, columns, false); }
  __device__ Place step(std::int64_t k, std::int64_t end) const {
    if (k >= end) return {0, 0};
    const WindowTap tap = tap_at(windows, k);
    return {filter_place(windows, tap, width) * windows.channels + tap.channel, 16};
  }
  __device__ Chunk chunk(const Place& row, const Place& step) const {
    return {filter + (row.at + step.at), row.bytes & step.bytes};
  }
};

// Rows are pixels of y (a phase of dx), columns its channels.
template <typename T>
struct PixelStore {
  T* y;
  const T* bias;  // null: none
  const Windows& windows;
  ImageSteps steps;
  std::int64_t channels;
  bool pairs;

  __device__ T* row(std::int64_t i) const {
    if (i >= windows.pixels()) return nullptr;
    const WindowPixel pixel = pixel_at(windows, i);
    const std::int64_t h = std::int64_t{pixel.h} * windows.h.out_step + windows.h.out_first;
    const std::int64_t w = std::int64_t{pixel.w} * windows.w.out_step + windows.w.out_first;
    return y + pixel.image * steps.image + h * steps.row + w * steps.column;
  }
  __device__ void operator()(T* row, std::int64_t j, float a, float b) const {
    if (!row) return;
    if (bias && j < channels) a += static_cast<float>(bias[j]);
    if (bias && j + 1 < channels) b += static_cast<float>(bias[j + 1]);
    store_two(row, j, channels, pairs, a, b);
  }
};

// Forward and data gradient.
template <typename T>
struct WindowProduct {
  Windows windows;
  TileGrid grid;
  std::int64_t out_channels, filter_step, width;  // per group; from one column of the ordered filter to the next
  ImageSteps out_steps;
  bool pairs;
  const T* image;
  const T* filter;  // (groups, out_channels, R, S, channels)
  const T* bias;
  T* out;

  template <typename F>
  void each_pointer(F&& f) {
    f(image), f(filter), f(bias), f(out);
  }
};

// A block owns a tile of pixels and channels of one group.
template <typename T, typename Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks) multiply_windows(const WindowProduct<T> p) {
  const std::int64_t group = blockIdx.x / p.grid.blocks(), first = group * p.out_channels;
  const TilePlace place = p.grid.place(blockIdx.x % p.grid.blocks(), p.windows.taps(), Tile::kRows, Tile::kColumns);
  const WindowChunks<T, true> left{p.image + group * p.windows.channels, p.windows};
  const FilterChunks<T> right{p.filter + first * p.filter_step, p.windows, p.out_channels, p.filter_step, p.width};
  const PixelStore<T> store{p.out + first, p.bias ? p.bias + first : nullptr, p.windows, p.out_steps, p.out_channels,
                            p.pairs};
  multiply_tensor_tile<T, Tile>(place, left, right, store);
}

// The weight gradient: partial (parts, K, R, S, C/groups) = dy * windows on x.
template <typename T>
struct WeightProduct {
  Windows windows;
  TileGrid grid;
  std::int64_t channels, dy_pitch;  // output channels per group
  const T* x;
  const T* dy;
  float* partial;

  template <typename F>
  void each_pointer(F&& f) {
    f(x), f(dy), f(partial);
  }
};

// A block owns a tile of channels and taps of one group, for one range of pixels.
template <typename T, typename Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks) multiply_weights(const WeightProduct<T> p) {
  const std::int64_t group = blockIdx.x / p.grid.blocks(), groups = gridDim.x / p.grid.blocks();
  const std::int64_t block = blockIdx.x % p.grid.blocks(), taps = p.windows.taps();
  const TilePlace place = p.grid.place(block, p.windows.pixels(), Tile::kRows, Tile::kColumns);
  const TensorMatrix<T, false> left{p.dy + group * p.channels, p.channels, 1, p.dy_pitch};
  const WindowChunks<T, false> right{p.x + group * p.windows.channels, p.windows};
  float* part = p.partial + (p.grid.part(block) * groups + group) * p.channels * taps;
  multiply_tensor_tile<T, Tile>(place, left, right, MatrixStore<float>{p.channels, taps, part, nullptr, true});
}

std::string refuse_image(const Tensor& x, const char* name, int groups) {
  if (x.dtype() != DType::f16 && x.dtype() != DType::bf16) return "tensor cores take f16 and bf16";
  if (x.format() != MemoryFormat::channels_last) return message(name, " is not channels-last");
  if (x.size(1) / groups % 8 != 0) return message(name, " has ", x.size(1) / groups, " channels, no multiple of 8");
  if (x.layout().pitch() % 8 != 0 || !pack_aligned<8>(static_cast<const Half*>(x.raw())))
    return message(name, " has no aligned chunks of 8 channels");
  return refuse_device(x);
}

template <typename F>
void visit_16_bits(DType dtype, F&& body) {
  dtype == DType::f16 ? body.template operator()<Half>() : body.template operator()<BFloat16>();
}

// The filter as the right operand wants it; see order_filter.
Tensor ordered(const Tensor& weight, int groups, bool columns_are_outputs) {
  const Tensor to = empty(weight.shape(), {weight.dtype(), weight.device()});
  launch<order_filter>({.blocks = grid_for(to, to.elements(), 256), .threads = 256}, stream_of(to), to.elements(),
                       weight.size(0) / groups, weight.size(1), weight.size(2) * weight.size(3), columns_are_outputs,
                       static_cast<const std::uint16_t*>(weight.raw()), static_cast<std::uint16_t*>(to.raw()));
  return to;
}

void multiply(const Tensor& image, const Tensor& filter, const Tensor& bias, const Tensor& out, const Windows& windows,
              int groups) {
  const std::int64_t rows = windows.pixels(), columns = out.size(1) / groups;
  const std::int64_t filter_step = filter.elements() / out.size(1);
  if (rows == 0) return;
  const auto run = [&]<typename Tile>() {
    const TileGrid grid{ceil_div(rows, Tile::kRows), ceil_div(columns, Tile::kColumns), 1, windows.taps()};
    visit_16_bits(out.dtype(), [&]<typename T>() {
      const bool pairs = columns % 2 == 0 && out.layout().pitch() % 2 == 0 && pack_aligned<2>(out.data<T>());
      const WindowProduct<T> product{.windows = windows,
                                     .grid = grid,
                                     .out_channels = columns,
                                     .filter_step = filter_step,
                                     .width = filter.size(3),
                                     .out_steps = image_steps(out),
                                     .pairs = pairs,
                                     .image = image.data<T>(),
                                     .filter = filter.data<T>(),
                                     .bias = bias.defined() ? bias.data<T>() : nullptr,
                                     .out = out.data<T>()};
      launch<multiply_windows<T, Tile>>(
          {.blocks = static_cast<unsigned>(grid.blocks() * groups),
           .threads = Tile::kThreads,
           .shared_bytes = kTensorTileBytes<Tile, WindowChunks<T, true>, FilterChunks<T>>},
          stream_of(out), product);
    });
  };
  if (columns <= NarrowTensorTile::kColumns) return run.template operator()<NarrowTensorTile>();
  prefers_wide(out, rows, columns, groups) ? run.template operator()<WideTensorTile>()
                                           : run.template operator()<TensorSquare>();
}

std::string refuse_forward(const Tensor& x, const Tensor&, const Tensor&, Conv2dOptions o, const Tensor&) {
  return refuse_image(x, "x", o.groups);
}
void forward(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions o, const Tensor& y) {
  if (y.elements() == 0) return;
  const Windows windows = forward_windows(convolution_sizes(x.shape(), weight.shape(), o), x);
  multiply(x, ordered(weight, o.groups, true), bias, y, windows, o.groups);
}

std::string refuse_data(const Tensor& dy, const Tensor&, Conv2dOptions o, const Tensor&) {
  return refuse_image(dy, "dy", o.groups);
}
void backward_data(const Tensor& dy, const Tensor& weight, Conv2dOptions o, const Tensor& dx) {
  if (dx.elements() == 0) return;
  const ConvolutionSizes sizes = convolution_sizes(dx.shape(), weight.shape(), o);
  const Tensor filter = ordered(weight, o.groups, false);
  for (int h = 0; h < o.stride.h; ++h)
    for (int w = 0; w < o.stride.w; ++w) multiply(dy, filter, {}, dx, backward_windows(sizes, dy, h, w), o.groups);
}

std::string refuse_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor&, const Tensor&) {
  const std::string reason = refuse_image(x, "x", o.groups);
  return reason.empty() ? refuse_image(dy, "dy", o.groups) : reason;
}
void backward_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor& dbias) {
  if (dbias.defined()) channel_sums(dy, dbias);
  if (dw.elements() == 0) return;
  using Tile = TensorSquare;
  const ConvolutionSizes sizes = convolution_sizes(x.shape(), dw.shape(), o);
  const Windows windows = forward_windows(sizes, x);
  const TileGrid grid =
      tile_grid(sizes.group_k, windows.taps(), windows.pixels(), o.groups, Tile::kRows, Tile::kColumns, 256);
  const Tensor partial = empty({grid.parts, dw.elements()}, {DType::f32, dw.device()});
  visit_16_bits(dw.dtype(), [&]<typename T>() {
    using Left = TensorMatrix<T, false>;
    using Right = WindowChunks<T, false>;
    launch<multiply_weights<T, Tile>>({.blocks = static_cast<unsigned>(grid.blocks() * o.groups),
                                       .threads = Tile::kThreads,
                                       .shared_bytes = kTensorTileBytes<Tile, Left, Right>},
                                      stream_of(dw),
                                      WeightProduct<T>{windows, grid, sizes.group_k, dy.layout().pitch(), x.data<T>(),
                                                       dy.data<T>(), partial.data<float>()});
    launch<sum_filter_parts<T>>({.blocks = grid_for(dw, dw.elements(), 256), .threads = 256}, stream_of(dw), grid.parts,
                                dw.elements(), sizes.group_c, sizes.r * sizes.s, partial.data<float>(), dw.data<T>());
  });
}

constexpr const char* kName = "cuda.tensor_cores";
[[maybe_unused]] const bool registered[] = {
    conv2d_forward.add({.device = kThisDevice, .name = kName, .rank = 50, .refuse = refuse_forward, .run = forward}),
    conv2d_backward_data.add(
        {.device = kThisDevice, .name = kName, .rank = 50, .refuse = refuse_data, .run = backward_data}),
    conv2d_backward_weight.add(
        {.device = kThisDevice, .name = kName, .rank = 50, .refuse = refuse_weight, .run = backward_weight}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
