// Convolution of f32 channels-last images with 3 x 3 or 5 x 5 filters by Winograd's minimal filtering: a 3 x 3 filter
// costs 2.25 multiply-accumulates per output instead of 9, a 5 x 5 one 9 instead of 25. Images are cut into tiles whose
// 6 x 6 input pixels are transformed; then each of the 36 positions is a matrix product of its own,
// (tiles, C) · (C, K), whose result is transformed back. The gradients of x and of the weights are tiled in the same
// way: the first is a convolution of dy with the turned filter, the second meets both transformed images.
// A NaN or infinity in a pixel comes out as NaN all over the tiles that hold the pixel: the transforms mix them.
#include <algorithm>
#include <limits>

#include "core/parallel.h"
#include "kernels/convolution_sizes.h"
#include "kernels/cpu/buffer.h"
#include "kernels/cpu/tile.h"
#include "kernels/cpu/winograd.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

using V = Vec<float>;
constexpr std::int64_t kLanes = V::kLanes;

// One image batch cut into tiles: where the patches and the outputs of tile t lie. Row-major over (n, row, column).
struct Tiles {
  std::int64_t images, h, w, channels;  // of the image that is read
  std::int64_t p, q;                    // output pixels
  std::int64_t padding_h, padding_w;
  std::int64_t size;  // output pixels of a tile, along an axis
  bool relu = false;  // max(…, 0) of the outputs
  std::int64_t down() const { return (p + size - 1) / size; }
  std::int64_t across() const { return (q + size - 1) / size; }
  std::int64_t count() const { return images * down() * across(); }
};
struct Place {
  std::int64_t image, row, column;  // row and column count output pixels
};
Place place(const Tiles& t, std::int64_t tile) {
  const std::int64_t in_row = t.across(), in_image = t.down() * in_row;
  return {tile / in_image, tile % in_image / in_row * t.size, tile % in_row * t.size};
}

// A matrix per position: `rows` of `row` numbers each. Rows are padded, as powers of two would share cache sets.
struct Stack {
  std::int64_t row, position;
  Stack(std::int64_t rows, std::int64_t columns) : row(columns + kLanes), position(rows * row + kLanes) {}
  std::int64_t elements() const { return kPositions * position; }
};

// Size pixels in each direction from (row, column) of an image (h, w, pitch) on, in one vector of channels; zeros where
// there is no pixel. Meanwhile the pixels `ahead` columns on are fetched: the next tile's.
template <int Size>
[[gnu::always_inline]] inline void load_pixels(const float* image, std::int64_t h, std::int64_t w, std::int64_t pitch,
                                               std::int64_t row, std::int64_t column, V::Mask mask, std::int64_t ahead,
                                               V* out) {
  if (row >= 0 && column >= 0 && row + Size <= h && column + Size <= w) [[likely]] {
    const float* from = image + (row * w + column) * pitch;
    for (int i = 0; i < Size; ++i)
      for (int j = 0; j < Size; ++j) {
        const float* pixel = from + (i * w + j) * pitch;
        __builtin_prefetch(pixel + ahead * pitch);
        out[i * Size + j] = V::load(pixel, mask);
      }
    return;
  }
  for (int i = 0; i < Size; ++i)
    for (int j = 0; j < Size; ++j) {
      const bool inside = row + i >= 0 && row + i < h && column + j >= 0 && column + j < w;
      out[i * Size + j] = inside ? V::load(image + ((row + i) * w + column + j) * pitch, mask) : V::all(0);
    }
}

// Transformed patches of tiles [begin, end), one row per tile: to[position][tile - begin][channel].
void transform_patches(const Tiles& t, const float* x, std::int64_t begin, std::int64_t end, const Stack& stack,
                       float* to) {
  for (std::int64_t tile = begin; tile < end; ++tile, to += stack.row) {
    const Place at = place(t, tile);
    const float* image = x + at.image * t.h * t.w * t.channels;
    for (std::int64_t c = 0; c < t.channels; c += kLanes) {
      V patch[kPositions], out[kPositions];
      const auto mask = V::first(t.channels - c);
      load_pixels<kPatch>(image + c, t.h, t.w, t.channels, at.row - t.padding_h, at.column - t.padding_w, mask, t.size,
                          patch);
      transform<InputMatrix>(patch, out);
      for (int i = 0; i < kPositions; ++i) out[i].store(to + i * stack.position + c, mask);
    }
  }
}

// The filters in the transformed space, per position in panels of `width` outputs: (panel, input, width). element(o, i)
// points at the R x R filter between output o and input i; `turned` filters are read from the last tap to the first.
template <int R, typename Element>
void transform_filters(std::int64_t outputs, std::int64_t inputs, bool turned, Element&& element, std::int64_t width,
                       float* to) {
  const std::int64_t panels = (outputs + width - 1) / width, position = panels * inputs * width;
  const std::int64_t vectors = panels * width / kLanes;
  parallel_for(vectors * inputs, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) {
      const std::int64_t first = at / inputs * kLanes, input = at % inputs;
      alignas(64) float taps[R * R][kLanes] = {};
      for (std::int64_t lane = 0; lane < std::min(kLanes, outputs - first); ++lane) {
        const float* filter = element(first + lane, input);
        for (int tap = 0; tap < R * R; ++tap) taps[tap][lane] = filter[turned ? R * R - 1 - tap : tap];
      }
      V in[R * R], out[kPositions];
      for (int tap = 0; tap < R * R; ++tap) in[tap] = V::load(taps[tap]);
      transform<FilterMatrix<R>>(in, out);
      float* place = to + first / width * inputs * width + input * width + first % width;
      for (int i = 0; i < kPositions; ++i) out[i].store(place + i * position);
    }
  });
}

// y of tiles [begin, end), `columns` of its k channels, from the products of each position; bias may be null.
template <int R>
void transform_outputs(const Tiles& t, std::int64_t k, std::int64_t columns, std::int64_t begin, std::int64_t end,
                       const Stack& stack, const float* from, const float* bias, float* y) {
  constexpr int size = tile_of(R);
  for (std::int64_t tile = begin; tile < end; ++tile, from += stack.row) {
    const Place at = place(t, tile);
    float* const corner = y + ((at.image * t.p + at.row) * t.q + at.column) * k;
    const std::int64_t rows = std::min<std::int64_t>(size, t.p - at.row);
    const std::int64_t in_row = std::min<std::int64_t>(size, t.q - at.column);
    for (std::int64_t c = 0; c < columns; c += kLanes) {
      V in[kPositions], out[size * size];
      const auto mask = V::first(columns - c);
      for (int i = 0; i < kPositions; ++i) in[i] = V::load(from + i * stack.position + c, mask);
      transform<OutputMatrix<R>>(in, out);
      const V offset = bias ? V::load(bias + c, mask) : V::all(0);
      const V least = V::all(t.relu ? 0 : -std::numeric_limits<float>::infinity());
      for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < in_row; ++j) {
          float* const pixel = corner + (i * t.q + j) * k + c;
          __builtin_prefetch(pixel + size * k, 1);
          larger(least, out[i * size + j] + offset).store(pixel, mask);
        }
    }
  }
}

// Tiles worked on together: their transformed patches and products should stay in a core's cache, but each filter that
// is fetched should meet many of them.
constexpr std::int64_t kBlockBytes = 512 << 10, kLeastTiles = 32, kMostTiles = 192;

std::int64_t block_tiles(const Tiles& t, std::int64_t k) {
  const std::int64_t bytes = kPositions * (t.channels + k) * static_cast<std::int64_t>(sizeof(float));
  const std::int64_t fit = std::clamp(kBlockBytes / bytes / kTileRows * kTileRows, kLeastTiles, kMostTiles);
  // At least 8 blocks where there are tiles enough, so that threads share them evenly.
  return even_piece(t.count(), std::min(fit, std::max(kLeastTiles / 2, t.count() / 8)));
}

// The products of one position: rows of patches with panels of filters.
inline void multiply_position(const Stack& patches, const float* patch, std::int64_t tiles, std::int64_t c,
                              const float* filters, std::int64_t width, std::int64_t columns, const Stack& products,
                              float* product) {
  const Walk walk{1, c, 0, 1, 0, width};
  for (std::int64_t j = 0; j < columns; j += width)
    compute_tiles<float>(
        walk, tiles, [&](std::int64_t row) { return patch + row * patches.row; }, filters + j * c,
        std::min(width, columns - j), product + j, products.row, nullptr, 0);
}

// y = convolution of x with the filters, in blocks of tiles: for many tiles, which all meet the same filters.
template <int R, typename Element>
void convolve_blocks(const Tiles& t, const float* x, bool turned, Element&& element, const float* bias, std::int64_t k,
                     float* y) {
  const std::int64_t c = t.channels, width = panel_width<float>(k), position = (k + width - 1) / width * width * c;
  const Buffer<float> filters(kPositions * position);
  transform_filters<R>(k, c, turned, element, width, filters.data());
  const std::int64_t count = t.count(), most = block_tiles(t, k);
  parallel_parts((count + most - 1) / most, [&](std::int64_t part) {
    const std::int64_t begin = part * most, end = std::min(count, begin + most);
    const Stack patches(most, c), products(most, k);
    const Buffer<float> patch(patches.elements()), product(products.elements());
    transform_patches(t, x, begin, end, patches, patch.data());
    for (int i = 0; i < kPositions; ++i)
      multiply_position(patches, patch.data() + i * patches.position, end - begin, c, filters.data() + i * position,
                        width, k, products, product.data() + i * products.position);
    transform_outputs<R>(t, k, k, begin, end, products, product.data(), bias, y);
  });
}

// All patches of x.
void transform_image(const Tiles& t, const float* x, const Stack& stack, float* to) {
  parallel_for(t.count(), 16, [&](std::int64_t begin, std::int64_t end) {
    transform_patches(t, x, begin, end, stack, to + begin * stack.row);
  });
}

// The same in panels of output channels: for few tiles, whose filters would go out to memory and back.
template <int R, typename Element>
void convolve_panels(const Tiles& t, const float* x, bool turned, Element&& element, const float* bias, std::int64_t k,
                     float* y) {
  const std::int64_t c = t.channels, count = t.count(), width = panel_width<float>(k);
  const Stack patches(count, c), products(count, width);
  const Buffer<float> patch(patches.elements());
  transform_image(t, x, patches, patch.data());
  parallel_parts((k + width - 1) / width, [&](std::int64_t panel) {
    const std::int64_t first = panel * width, columns = std::min(width, k - first);
    const Buffer<float> filters(kPositions * c * width), product(products.elements());
    transform_filters<R>(
        columns, c, turned, [&](std::int64_t o, std::int64_t i) { return element(first + o, i); }, width,
        filters.data());
    for (int i = 0; i < kPositions; ++i)
      multiply_position(patches, patch.data() + i * patches.position, count, c, filters.data() + i * c * width, width,
                        columns, products, product.data() + i * products.position);
    transform_outputs<R>(t, k, columns, 0, count, products, product.data(), bias ? bias + first : nullptr, y + first);
  });
}

// Whether panels are cheaper than blocks: they read the patches once per panel, blocks write and read all the filters.
// Their limits were measured; filters that outgrow the last cache are worth more patches.
constexpr std::int64_t kFewTiles = 160, kCacheBytes = 16 << 20, kLeastPanels = 4;
bool few(const Tiles& t, std::int64_t k) {
  const std::int64_t filter_bytes = kPositions * t.channels * k * static_cast<std::int64_t>(sizeof(float));
  return t.count() <= (filter_bytes > kCacheBytes ? 2 * kFewTiles : kFewTiles) &&
         (k + panel_width<float>(k) - 1) / panel_width<float>(k) >= kLeastPanels;
}

template <int R, typename Element>
void convolve(const Tiles& t, const float* x, bool turned, Element&& element, const float* bias, std::int64_t k,
              float* y) {
  if (few(t, k))
    convolve_panels<R>(t, x, turned, element, bias, k, y);
  else
    convolve_blocks<R>(t, x, turned, element, bias, k, y);
}

template <int R>
void forward(const ConvolutionSizes& g, const float* x, const float* weight, const float* bias, bool relu, float* y) {
  const Tiles tiles{g.n, g.h, g.w, g.c, g.p, g.q, g.padding.h, g.padding.w, tile_of(R), relu};
  const auto element = [&](std::int64_t k, std::int64_t c) { return weight + (k * g.c + c) * R * R; };
  convolve<R>(tiles, x, false, element, bias, g.k, y);
}

// dx is the convolution of dy, bordered so that each filter that touched a pixel touches it again, with turned filters.
template <int R>
void backward_data(const ConvolutionSizes& g, const float* dy, const float* weight, float* dx) {
  const Tiles tiles{g.n, g.p, g.q, g.k, g.h, g.w, R - 1 - g.padding.h, R - 1 - g.padding.w, tile_of(R)};
  const auto element = [&](std::int64_t c, std::int64_t k) { return weight + (k * g.c + c) * R * R; };
  convolve<R>(tiles, dy, true, element, nullptr, g.c, dx);
}

// The transposed output transform of dy, `columns` of its k channels: to[position][panel][tile][width]; and
// sums[column] += dy over the tiles' pixels.
template <int R>
void transform_gradients(const Tiles& t, std::int64_t k, std::int64_t columns, const float* dy, std::int64_t begin,
                         std::int64_t end, std::int64_t width, std::int64_t panel, std::int64_t position, float* to,
                         float* sums) {
  constexpr int size = tile_of(R);
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const Place at = place(t, tile);
    const float* image = dy + at.image * t.p * t.q * k;
    for (std::int64_t c = 0; c < columns; c += kLanes) {
      V in[size * size], out[kPositions];
      const auto mask = V::first(columns - c);
      load_pixels<size>(image + c, t.p, t.q, k, at.row, at.column, mask, size, in);
      V sum = in[0];
      for (int i = 1; i < size * size; ++i) sum = sum + in[i];
      (V::load(sums + c, mask) + sum).store(sums + c, mask);
      transform<Transposed<OutputMatrix<R>>>(in, out);
      float* const here = to + c / width * panel + (tile - begin) * width + c % width;
      for (int i = 0; i < kPositions; ++i) out[i].store(here + i * position);
    }
  }
}

// dw (columns, C, R, R) from the sums of each position (C, row): the transposed filter transform.
template <int R>
void transform_weights(std::int64_t c, std::int64_t columns, const float* sums, std::int64_t row, float* dw) {
  const std::int64_t vectors = (columns + kLanes - 1) / kLanes;
  parallel_for(vectors * c, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) {
      const std::int64_t first = at / c * kLanes, channel = at % c, lanes = std::min(kLanes, columns - first);
      V in[kPositions], out[R * R];
      for (int i = 0; i < kPositions; ++i) in[i] = V::load(sums + (i * c + channel) * row + first, V::first(lanes));
      transform<Transposed<FilterMatrix<R>>>(in, out);
      alignas(64) float taps[R * R][kLanes];
      for (int tap = 0; tap < R * R; ++tap) out[tap].store(taps[tap]);
      for (std::int64_t lane = 0; lane < lanes; ++lane)
        for (int tap = 0; tap < R * R; ++tap) dw[((first + lane) * c + channel) * R * R + tap] = taps[tap][lane];
    }
  });
}

// The sums of one position over tiles: patches (tiles, C), transposed, times gradients (tiles, width) in panels.
inline void sum_position(const Stack& patches, const float* patch, std::int64_t tiles, std::int64_t c,
                         const float* gradient, std::int64_t panel, std::int64_t width, std::int64_t columns, bool add,
                         std::int64_t row, float* sums) {
  const Walk walk{1, tiles, 0, patches.row, 0, width};
  for (std::int64_t j = 0; j < columns; j += width)
    compute_tiles<float>(
        walk, c, [&](std::int64_t i) { return patch + i; }, gradient + j / width * panel, std::min(width, columns - j),
        sums + j, row, add ? sums + j : nullptr, row);
}

// For many tiles, in chunks whose transforms are made together and fill the last cache. Each sum is one chain over the
// tiles in their order; dbias is summed in kBiasParts parts, then over these.
constexpr std::int64_t kChunkBytes = 8 << 20, kBiasParts = 8;

template <int R>
void weight_by_chunks(const Tiles& t, std::int64_t k, const float* x, const float* dy, float* dw, float* dbias) {
  const std::int64_t count = t.count(), c = t.channels, width = panel_width<float>(k);
  const std::int64_t panels = (k + width - 1) / width;
  const std::int64_t per_tile = kPositions * (c + panels * width) * static_cast<std::int64_t>(sizeof(float));
  // The sums come and go once per chunk: where they outgrow a chunk it grows with them.
  const std::int64_t sum_bytes = kPositions * c * k * static_cast<std::int64_t>(sizeof(float));
  const std::int64_t chunk = even_piece(count, std::max(std::max(kChunkBytes, sum_bytes) / per_tile, kLeastTiles));
  const Stack patches(chunk, c);
  const std::int64_t panel = chunk * width, position = panels * panel + kLanes;
  const Buffer<float> patch(patches.elements()), gradient(kPositions * position), sums(kPositions * c * k);
  const Buffer<float> bias_sums(kBiasParts * k);
  std::fill_n(bias_sums.data(), kBiasParts * k, 0.0f);
  for (std::int64_t begin = 0; begin < count; begin += chunk) {
    const std::int64_t tiles = std::min(chunk, count - begin);
    parallel_parts(kBiasParts, [&](std::int64_t part) {
      const std::int64_t from = tiles * part / kBiasParts, to = tiles * (part + 1) / kBiasParts;
      transform_patches(t, x, begin + from, begin + to, patches, patch.data() + from * patches.row);
      transform_gradients<R>(t, k, k, dy, begin + from, begin + to, width, panel, position,
                             gradient.data() + from * width, bias_sums.data() + part * k);
    });
    parallel_parts(kPositions, [&](std::int64_t i) {
      sum_position(patches, patch.data() + i * patches.position, tiles, c, gradient.data() + i * position, panel, width,
                   k, begin > 0, k, sums.data() + i * c * k);
    });
  }
  transform_weights<R>(c, k, sums.data(), k, dw);
  if (!dbias) return;
  std::copy_n(bias_sums.data(), k, dbias);
  for (std::int64_t part = 1; part < kBiasParts; ++part)
    for (std::int64_t i = 0; i < k; ++i) dbias[i] += bias_sums[part * k + i];
}

// For few tiles, in panels of output channels.
template <int R>
void weight_by_panels(const Tiles& t, std::int64_t k, const float* x, const float* dy, float* dw, float* dbias) {
  const std::int64_t count = t.count(), c = t.channels, width = panel_width<float>(k);
  const Stack patches(count, c);
  const Buffer<float> patch(patches.elements());
  transform_image(t, x, patches, patch.data());
  parallel_parts((k + width - 1) / width, [&](std::int64_t panel) {
    const std::int64_t first = panel * width, columns = std::min(width, k - first), position = count * width + kLanes;
    const Buffer<float> gradient(kPositions * position), sums(kPositions * c * width), bias_sums(width);
    std::fill_n(bias_sums.data(), width, 0.0f);
    transform_gradients<R>(t, k, columns, dy + first, 0, count, width, 0, position, gradient.data(), bias_sums.data());
    for (int i = 0; i < kPositions; ++i)
      sum_position(patches, patch.data() + i * patches.position, count, c, gradient.data() + i * position, 0, width,
                   columns, false, width, sums.data() + i * c * width);
    transform_weights<R>(c, columns, sums.data(), width, dw + first * c * R * R);
    if (dbias) std::copy_n(bias_sums.data(), columns, dbias + first);
  });
}

template <int R>
void backward_weight(const ConvolutionSizes& g, const float* x, const float* dy, float* dw, float* dbias) {
  const Tiles tiles{g.n, g.h, g.w, g.c, g.p, g.q, g.padding.h, g.padding.w, tile_of(R)};
  if (few(tiles, g.k))
    weight_by_panels<R>(tiles, g.k, x, dy, dw, dbias);
  else
    weight_by_chunks<R>(tiles, g.k, x, dy, dw, dbias);
}

template <typename F>
void visit_filter(std::int64_t size, F&& body) {
  if (size == 3)
    body.template operator()<3>();
  else
    body.template operator()<5>();
}

template <bool relu>
void run_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions o, const Tensor& y) {
  visit_filter(weight.size(2), [&]<int R>() {
    forward<R>(convolution_sizes(x.shape(), weight.shape(), o), x.data<float>(), weight.data<float>(),
               bias.defined() ? bias.data<float>() : nullptr, relu, y.data<float>());
  });
}
void run_backward_data(const Tensor& dy, const Tensor& weight, Conv2dOptions o, const Tensor& dx) {
  visit_filter(weight.size(2), [&]<int R>() {
    backward_data<R>(convolution_sizes(dx.shape(), weight.shape(), o), dy.data<float>(), weight.data<float>(),
                     dx.data<float>());
  });
}
void run_backward_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor& dbias) {
  visit_filter(dw.size(2), [&]<int R>() {
    backward_weight<R>(convolution_sizes(x.shape(), dw.shape(), o), x.data<float>(), dy.data<float>(), dw.data<float>(),
                       dbias.defined() ? dbias.data<float>() : nullptr);
  });
}

constexpr std::int64_t kLeastChannels = 16;

std::string refuse(const Tensor& x, const Tensor& weight, const Conv2dOptions& o, const Tensor& y) {
  if (x.dtype() != DType::f32) return message("x is ", x.dtype());
  for (const Tensor* t : {&x, &y})
    if (!t->channels_last() || !t->layout().dense()) return "an image is not dense channels-last";
  if (!weight.contiguous_format()) return "the weight is not contiguous";
  const std::int64_t size = weight.size(2);
  if (weight.size(3) != size || (size != 3 && size != 5)) return "the filter is neither 3 x 3 nor 5 x 5";
  if (o.stride != Pair(1) || o.dilation != Pair(1) || o.groups != 1) return "stride, dilation or groups are not 1";
  if (o.padding.h >= size || o.padding.w >= size) return "the padding is wider than the filter";
  if (x.size(1) < kLeastChannels || y.size(1) < kLeastChannels) return "too few channels to be worth it";
  if (x.elements() == 0 || y.elements() == 0) return "an image is empty";
  return "";
}
std::string refuse_forward(const Tensor& x, const Tensor& weight, const Tensor&, Conv2dOptions o, const Tensor& y) {
  return refuse(x, weight, o, y);
}
std::string refuse_data(const Tensor& dy, const Tensor& weight, Conv2dOptions o, const Tensor& dx) {
  return refuse(dx, weight, o, dy);
}
std::string refuse_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor&) {
  return refuse(x, dw, o, dy);
}

[[maybe_unused]] const bool registered[] = {
    conv2d_forward.add({.device = kThisDevice,
                        .name = "cpu.winograd",
                        .rank = 40,
                        .refuse = refuse_forward,
                        .run = run_forward<false>}),
    conv2d_bias_relu_forward.add({.device = kThisDevice,
                                  .name = "cpu.winograd",
                                  .rank = 40,
                                  .refuse = refuse_forward,
                                  .run = run_forward<true>}),
    conv2d_backward_data.add(
        {.device = kThisDevice, .name = "cpu.winograd", .rank = 40, .refuse = refuse_data, .run = run_backward_data}),
    conv2d_backward_weight.add({.device = kThisDevice,
                                .name = "cpu.winograd",
                                .rank = 40,
                                .refuse = refuse_weight,
                                .run = run_backward_weight}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
