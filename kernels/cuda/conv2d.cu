// Convolutions of any floating type as products of matrices through tiles in shared memory (windows.h, tiles.h);
// images with any strides. Forward and data gradient multiply windows (pixels, taps) by the filter (taps, channels);
// the weight gradient multiplies dy (channels, pixels) by windows (pixels, taps), its depth split over many blocks.
//
// One multiply-add per tap and output. Elements of images are read once per tap and tile of channels, mostly from L2,
// and a window's element costs two reads of places in shared memory beside it; on an H200 bound by instruction issue.
// 16-bit floats are multiplied as f32; their tensor-core candidates stand in conv2d_tensor_cores.cu.

#include "core/ops/conv2d.h"

#include "core/ops/elementwise.h"
#include "kernels/cuda/sums.h"
#include "kernels/cuda/tiles.h"
#include "kernels/cuda/windows.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

// A matrix of windows, whose element lies where a pixel and a tap meet.
template <typename T>
struct WindowElements {
  using Element = T;
  using Place = WindowPlace;
  const T* image;
  const Windows& windows;
  bool steps_fast;

  __device__ static Place nowhere() { return {Place::kNone, 0, 0}; }
  __device__ T read(const Place& row, const Place& step) const {
    return inside(windows, row, step) ? image[row.at + step.at] : T(Compute<T>(0));
  }
};

// (pixels, taps), the left operand of forward and data gradient: rows are pixels.
template <typename T>
struct WindowRows : WindowElements<T> {
  __device__ WindowPlace row(std::int64_t i) const {
    return i < this->windows.pixels() ? pixel_place(this->windows, i) : this->nowhere();
  }
  __device__ WindowPlace step(std::int64_t k) const { return tap_place(this->windows, tap_at(this->windows, k)); }
};

// The same matrix as the right operand of the weight gradient: columns are taps, the depth is pixels.
template <typename T>
struct WindowColumns : WindowElements<T> {
  __device__ WindowPlace row(std::int64_t i) const {
    return i < this->windows.taps() ? tap_place(this->windows, tap_at(this->windows, i)) : this->nowhere();
  }
  __device__ WindowPlace step(std::int64_t k) const { return pixel_place(this->windows, k); }
};

// The right operand of forward (columns are output channels) and data gradient (input channels).
template <typename T>
struct Filter {
  using Element = T;
  using Place = Offset;
  static constexpr bool steps_fast = true;
  const T* weight;
  const Windows& windows;
  std::int64_t columns, column_step, channel_step, width;  // width: of the filter

  __device__ static Place nowhere() { return {-1}; }
  __device__ Place row(std::int64_t j) const { return {j < columns ? j * column_step : -1}; }
  __device__ Place step(std::int64_t k) const {
    const WindowTap tap = tap_at(windows, k);
    return {tap.channel * channel_step + filter_place(windows, tap, width)};
  }
  __device__ T read(const Place& row, const Place& step) const {
    return row.at < 0 || step.at < 0 ? T(Compute<T>(0)) : weight[row.at + step.at];
  }
};

// dy as the left operand of the weight gradient: rows are channels, the depth is pixels.
template <typename T>
struct OutputRows {
  using Element = T;
  using Place = Offset;
  const T* dy;
  const Windows& windows;
  std::int64_t rows;
  ImageSteps steps;
  bool steps_fast;

  __device__ static Place nowhere() { return {-1}; }
  __device__ Place row(std::int64_t i) const { return {i < rows ? i * steps.channel : -1}; }
  __device__ Place step(std::int64_t k) const {
    const WindowPixel pixel = pixel_at(windows, k);
    return {pixel.image * steps.image + pixel.h * steps.row + pixel.w * steps.column};
  }
  __device__ T read(const Place& row, const Place& step) const {
    return row.at < 0 || step.at < 0 ? T(Compute<T>(0)) : dy[row.at + step.at];
  }
};

// Rows are pixels of y (a phase of dx), columns its channels.
template <typename T>
struct ImageStore {
  T* y;
  const T* bias;  // null: none
  const Windows& windows;
  ImageSteps steps;
  std::int64_t channels;
  bool columns_fast;

  __device__ std::int64_t columns(std::int64_t j) const { return j; }
  __device__ void operator()(std::int64_t i, std::int64_t j, const Compute<T>* sums) const {
    if (i >= windows.pixels()) return;
    const WindowPixel pixel = pixel_at(windows, i);
    const std::int64_t h = std::int64_t{pixel.h} * windows.h.out_step + windows.h.out_first;
    const std::int64_t w = std::int64_t{pixel.w} * windows.w.out_step + windows.w.out_first;
    T* to = y + pixel.image * steps.image + h * steps.row + w * steps.column;
    for (int e = 0; e < 4; ++e)
      if (j + e < channels) to[(j + e) * steps.channel] = T(bias ? sums[e] + Compute<T>(bias[j + e]) : sums[e]);
  }
};

// Rows are output channels, columns taps, written in the filter's order (channel, r, s).
template <typename T, typename Sum>
struct FilterStore {
  static constexpr bool columns_fast = true;
  struct Columns {
    std::int64_t at[4];
  };
  T* dw;
  const Windows& windows;
  std::int64_t rows;

  __device__ Columns columns(std::int64_t j) const {
    Columns columns;
    for (int e = 0; e < 4; ++e) {
      const WindowTap tap = tap_at(windows, j + e);
      columns.at[e] = j + e < windows.taps()
                          ? tap.channel * windows.h.taps * windows.w.taps + filter_place(windows, tap, windows.w.taps)
                          : -1;
    }
    return columns;
  }
  __device__ void operator()(std::int64_t i, const Columns& columns, const Sum* sums) const {
    for (int e = 0; e < 4; ++e)
      if (i < rows && columns.at[e] >= 0) dw[i * windows.taps() + columns.at[e]] = T(sums[e]);
  }
};

// Forward and data gradient: out = windows on the image * filter + bias.
template <typename T>
struct WindowProduct {
  Windows windows;
  TileGrid grid;
  std::int64_t out_channels;                                  // per group
  std::int64_t column_step, channel_step, group_step, width;  // of the filter
  ImageSteps out_steps;
  const T* image;
  const T* weight;
  const T* bias;
  T* out;

  template <typename F>
  void each_pointer(F&& f) {
    f(image), f(weight), f(bias), f(out);
  }
};

// A block owns a tile of pixels and channels of one group, a thread 4 x 4 of them.
template <typename T, typename Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks) multiply_windows(const WindowProduct<T> p) {
  const std::int64_t group = blockIdx.x / p.grid.blocks();
  const TilePlace place = p.grid.place(blockIdx.x % p.grid.blocks(), p.windows.taps(), Tile::kRows, Tile::kColumns);
  const bool channels_fast = p.windows.channels_fast;
  const T* image = p.image + group * p.windows.channels * p.windows.steps.channel;
  const WindowRows<T> left{{image, p.windows, channels_fast}};
  const Filter<T> right{
      p.weight + group * p.group_step, p.windows, p.out_channels, p.column_step, p.channel_step, p.width};
  const std::int64_t first = group * p.out_channels;
  const ImageStore<T> store{p.out + first * p.out_steps.channel,
                            p.bias ? p.bias + first : nullptr,
                            p.windows,
                            p.out_steps,
                            p.out_channels,
                            p.out_steps.channel == 1};
  multiply_tile<Tile>(place, left, right, store);
}

// The weight gradient: dw = dy * windows on x.
template <typename T>
struct WeightProduct {
  Windows windows;
  TileGrid grid;
  std::int64_t channels;  // output channels per group
  ImageSteps dy_steps;
  const T* x;
  const T* dy;
  T* dw;
  Compute<T>* partial;  // (parts, K, C/groups, R, S) where the depth is split

  template <typename F>
  void each_pointer(F&& f) {
    f(x), f(dy), f(dw), f(partial);
  }
};

// A block owns a tile of channels and taps of one group, for one range of pixels.
template <typename T, typename Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks) multiply_weights(const WeightProduct<T> p) {
  using Sum = Compute<T>;
  const std::int64_t group = blockIdx.x / p.grid.blocks(), groups = gridDim.x / p.grid.blocks();
  const std::int64_t block = blockIdx.x % p.grid.blocks(), filters = p.channels * p.windows.taps();
  const TilePlace place = p.grid.place(block, p.windows.pixels(), Tile::kRows, Tile::kColumns);
  const OutputRows<T> left{p.dy + group * p.channels * p.dy_steps.channel, p.windows, p.channels, p.dy_steps,
                           p.dy_steps.channel != 1};
  const WindowColumns<T> right{
      {p.x + group * p.windows.channels * p.windows.steps.channel, p.windows, !p.windows.channels_fast}};
  if (p.partial) {
    Sum* part = p.partial + (p.grid.part(block) * groups + group) * filters;
    multiply_tile<Tile>(place, left, right, FilterStore<Sum, Sum>{part, p.windows, p.channels});
  } else {
    multiply_tile<Tile>(place, left, right, FilterStore<T, Sum>{p.dw + group * filters, p.windows, p.channels});
  }
}

// One group's output channels are columns; a weight (out, in/groups, R, S) is read in the order the windows ask for.
void multiply(const Tensor& image, const Tensor& weight, const Tensor& bias, const Tensor& out, const Windows& windows,
              int groups, bool forward) {
  const std::int64_t filter = weight.size(2) * weight.size(3), row = weight.size(1) * filter;
  const std::int64_t rows = windows.pixels(), columns = out.size(1) / groups;
  if (rows == 0 || columns == 0) return;
  visit_tile(rows, columns, [&]<typename Tile>() {
    const TileGrid grid{ceil_div(rows, Tile::kRows), ceil_div(columns, Tile::kColumns), 1, windows.taps()};
    visit_floating(out.dtype(), "conv2d", [&]<typename T>() {
      const WindowProduct<T> product{.windows = windows,
                                     .grid = grid,
                                     .out_channels = columns,
                                     .column_step = forward ? row : filter,
                                     .channel_step = forward ? filter : row,
                                     .group_step = weight.size(0) / groups * row,
                                     .width = weight.size(3),
                                     .out_steps = image_steps(out),
                                     .image = image.data<T>(),
                                     .weight = weight.data<T>(),
                                     .bias = bias.defined() ? bias.data<T>() : nullptr,
                                     .out = out.data<T>()};
      launch<multiply_windows<T, Tile>>({.blocks = static_cast<unsigned>(grid.blocks() * groups),
                                         .threads = Tile::kThreads,
                                         .shared_bytes = kTileBytes<Tile, WindowRows<T>, Filter<T>>},
                                        stream_of(out), product);
    });
  });
}

void forward(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions o, const Tensor& y) {
  if (y.elements() == 0) return;
  multiply(x, weight, bias, y, forward_windows(convolution_sizes(x.shape(), weight.shape(), o), x), o.groups, true);
}

// By whoever convolves best, then in place.
void forward_relu(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions o, const Tensor& y) {
  conv2d_forward(x, weight, bias, o, y);
  unary_forward(Unary::relu, {}, y, y);
}

void backward_data(const Tensor& dy, const Tensor& weight, Conv2dOptions o, const Tensor& dx) {
  if (dx.elements() == 0) return;
  const ConvolutionSizes sizes = convolution_sizes(dx.shape(), weight.shape(), o);
  for (int h = 0; h < o.stride.h; ++h)
    for (int w = 0; w < o.stride.w; ++w)
      multiply(dy, weight, {}, dx, backward_windows(sizes, dy, h, w), o.groups, false);
}

void backward_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor& dbias) {
  if (dbias.defined()) channel_sums(dy, dbias);
  if (dw.elements() == 0) return;
  const ConvolutionSizes sizes = convolution_sizes(x.shape(), dw.shape(), o);
  const Windows windows = forward_windows(sizes, x);
  visit_tile(sizes.group_k, windows.taps(), [&]<typename Tile>() {
    const TileGrid grid =
        tile_grid(sizes.group_k, windows.taps(), windows.pixels(), o.groups, Tile::kRows, Tile::kColumns);
    Tensor partial;
    if (grid.parts > 1)
      partial = empty({grid.parts, dw.elements()}, {dw.dtype() == DType::f64 ? DType::f64 : DType::f32, dw.device()});
    visit_floating(dw.dtype(), "conv2d", [&]<typename T>() {
      const WeightProduct<T> product{.windows = windows,
                                     .grid = grid,
                                     .channels = sizes.group_k,
                                     .dy_steps = image_steps(dy),
                                     .x = x.data<T>(),
                                     .dy = dy.data<T>(),
                                     .dw = dw.data<T>(),
                                     .partial = partial.defined() ? partial.data<Compute<T>>() : nullptr};
      launch<multiply_weights<T, Tile>>({.blocks = static_cast<unsigned>(grid.blocks() * o.groups),
                                         .threads = Tile::kThreads,
                                         .shared_bytes = kTileBytes<Tile, OutputRows<T>, WindowColumns<T>>},
                                        stream_of(dw), product);
    });
    if (partial.defined()) add_parts(partial, {}, dw);
  });
}

[[maybe_unused]] const bool registered[] = {
    conv2d_forward.add({.device = kThisDevice, .name = "cuda.tiles", .rank = 100, .run = forward}),
    conv2d_bias_relu_forward.add({.device = kThisDevice, .name = "cuda.composed", .rank = 100, .run = forward_relu}),
    conv2d_backward_data.add({.device = kThisDevice, .name = "cuda.tiles", .rank = 100, .run = backward_data}),
    conv2d_backward_weight.add({.device = kThisDevice, .name = "cuda.tiles", .rank = 100, .run = backward_weight}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
