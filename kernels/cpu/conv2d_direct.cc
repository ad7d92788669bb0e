// Direct convolution over channels-last images. The patch of an output pixel is R stretches of S * C adjacent numbers,
// so a tile (tile.h) walks it in place: no patches are gathered. Made for few channels, where a library that works in
// blocks of 16 channels computes mostly padding; C = 1 and 6 of LeNet run at half of the machine's peak and more.
#include <vector>

#include "kernels/cpu/direct.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

// Rows of a tile: output pixels. Vectors: output channels.
template <typename T>
void forward(const DirectSizes& g, const T* x, const T* weight, const T* bias, T* y) {
  const std::int64_t width = panel_width<T>(g.k), taps = g.r * g.stretch;
  const Buffer<T> packed(panels(g.k, width) * taps * width);
  pack_panels(taps, g.k, width, packed.data(), [&](std::int64_t tap, std::int64_t k) {  // tap = (r, s, c)
    return weight[(k * g.c + tap % g.c) * g.r * g.s + tap / g.c];
  });
  const Walk walk{g.r, g.stretch, g.dilation.h * g.line, 1, g.stretch * width, width};
  parallel_for(g.n, 1 + 100'000 / (g.p * g.q * g.k * taps + 1), [&](std::int64_t begin, std::int64_t end) {
    const Buffer<T> space(g.padded_elements());
    for (std::int64_t n = begin; n < end; ++n) {
      const T* image = padded_image(g, x, n, space.data());
      for (std::int64_t k = 0; k < g.k; k += width) {
        std::int64_t q = 0;
        const T *row = image, *pixel = image;  // of the output row, of the output pixel
        const auto next_pixel = [&](std::int64_t) {
          const T* here = pixel;
          pixel += g.row_step();
          if (++q == g.q) q = 0, pixel = row += g.row_segment();
          return here;
        };
        compute_tiles<T>(walk, g.p * g.q, next_pixel, packed.data() + k * taps, std::min(width, g.k - k),
                         y + n * g.p * g.q * g.k + k, g.k, bias ? bias + k : nullptr, 0);
      }
    }
  });
}

// The outputs i of [0, outputs) whose window covers the padded position at: i * stride <= at < i * stride + window.
struct Covering {
  std::int64_t first, last;
  Covering(std::int64_t at, std::int64_t window, std::int64_t stride, std::int64_t outputs)
      : first(at < window ? 0 : (at - window) / stride + 1), last(std::min(outputs - 1, at / stride)) {}
};

// One row of dx. Each output pixel of a row of dy gives a stretch of S * C numbers, summed over (r, k) by the tiles:
// rows of a tile are output pixels, vectors the stretch. Neighbouring stretches overlap; dx adds them up.
template <typename T>
void backward_row(const DirectSizes& g, const T* dy, const T* packed, std::int64_t width, std::int64_t h,
                  const std::vector<Covering>& columns, T* stretches, T* dx) {
  using V = Vec<T>;
  const Covering rows(h + g.padding.h, g.r, g.stride.h, g.p);
  if (rows.last < rows.first) {
    std::fill_n(dx, g.w * g.c, T(0));
    return;
  }
  // From the last row of dy upwards, r grows by the stride.
  const Walk walk{rows.last - rows.first + 1, g.k, -g.q * g.k, 1, g.stride.h * g.k * width, width};
  const std::int64_t first_r = h + g.padding.h - rows.last * g.stride.h;
  for (std::int64_t j = 0; j < g.stretch; j += width)
    compute_tiles<T>(
        walk, g.q, [&](std::int64_t q) { return dy + (rows.last * g.q + q) * g.k; },
        packed + (j * g.r + first_r * width) * g.k, std::min(width, g.stretch - j), stretches + j, g.stretch, nullptr,
        0);
  for (std::int64_t c = 0; c < g.c; c += V::kLanes) {
    const auto mask = V::first(g.c - c);
    for (std::int64_t w = 0; w < g.w; ++w) {
      const Covering& covering = columns[static_cast<std::size_t>(w)];
      V sum = V::all(0);
      for (std::int64_t q = covering.first; q <= covering.last; ++q)
        sum = sum + V::load(stretches + q * g.stretch + (w + g.padding.w - q * g.stride.w) * g.c + c, mask);
      sum.store(dx + w * g.c + c, mask);
    }
  }
}

template <typename T>
void backward_data(const DirectSizes& g, const T* dy, const T* weight, T* dx) {
  const std::int64_t width = panel_width<T>(g.stretch);
  const Buffer<T> packed(panels(g.stretch, width) * g.r * g.k * width);
  pack_panels(g.r * g.k, g.stretch, width, packed.data(), [&](std::int64_t row, std::int64_t sc) {  // row = (r, k)
    return weight[((row % g.k * g.c + sc % g.c) * g.r + row / g.k) * g.s + sc / g.c];
  });
  std::vector<Covering> columns;
  for (std::int64_t w = 0; w < g.w; ++w) columns.emplace_back(w + g.padding.w, g.s, g.stride.w, g.q);
  parallel_for(g.n, 1 + 100'000 / (g.p * g.q * g.k * g.r * g.stretch + 1), [&](std::int64_t begin, std::int64_t end) {
    const Buffer<T> stretches(g.q * g.stretch);
    for (std::int64_t n = begin; n < end; ++n)
      for (std::int64_t h = 0; h < g.h; ++h)
        backward_row(g, dy + n * g.p * g.q * g.k, packed.data(), width, h, columns, stretches.data(),
                     dx + (n * g.h + h) * g.w * g.c);
  });
}

// Rows of a tile: taps (r, s, c), and one row of ones, whose sum with dy is dbias. Vectors: output channels. Walks
// over the pixels of dy. Part i sums over its range of images; the parts are added in order.
template <typename T>
void backward_weight(const DirectSizes& g, const T* x, const T* dy, T* dw, T* dbias) {
  const std::int64_t parts = std::clamp<std::int64_t>(g.n, 1, kWeightParts), width = panel_width<T>(g.k);
  const std::int64_t taps = g.r * g.stretch, rows = taps + (dbias ? 1 : 0), size = rows * g.k;
  const std::int64_t reach = (g.p - 1) * g.row_segment() + (g.q - 1) * g.row_step() + 1;
  const Buffer<T> sums(parts * size), ones(dbias ? reach : 0);
  std::fill_n(ones.data(), dbias ? reach : 0, T(1));
  std::vector<std::int64_t> offsets;  // of each tap in the image
  for (std::int64_t r = 0; r < g.r; ++r)
    for (std::int64_t i = 0; i < g.stretch; ++i) offsets.push_back(r * g.dilation.h * g.line + i);
  const Walk walk{g.p, g.q, g.row_segment(), g.row_step(), g.q * g.k, g.k};
  parallel_parts(parts, [&](std::int64_t part) {
    T* sum = sums.data() + part * size;
    std::fill_n(sum, size, T(0));
    const Buffer<T> space(g.padded_elements());
    for (std::int64_t n = g.n * part / parts; n < g.n * (part + 1) / parts; ++n) {
      const T* image = padded_image(g, x, n, space.data());
      const auto row = [&](std::int64_t i) {
        return i < taps ? image + offsets[static_cast<std::size_t>(i)] : ones.data();
      };
      for (std::int64_t k = 0; k < g.k; k += width)
        compute_tiles<T>(walk, rows, row, dy + n * g.p * g.q * g.k + k, std::min(width, g.k - k), sum + k, g.k, sum + k,
                         g.k);
    }
  });
  for (std::int64_t part = 1; part < parts; ++part)
    for (std::int64_t i = 0; i < size; ++i) sums[i] += sums[part * size + i];
  for (std::int64_t k = 0; k < g.k; ++k)
    for (std::int64_t tap = 0; tap < taps; ++tap)
      dw[(k * g.c + tap % g.c) * g.r * g.s + tap / g.c] = sums[tap * g.k + k];
  if (dbias) std::copy_n(sums.data() + taps * g.k, g.k, dbias);
}

void run_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions o, const Tensor& y) {
  visit_precise(x.dtype(), [&]<typename T>() {
    forward<T>(DirectSizes(x.shape(), weight.shape(), o), x.data<T>(), weight.data<T>(),
               bias.defined() ? bias.data<T>() : nullptr, y.data<T>());
  });
}
void run_backward_data(const Tensor& dy, const Tensor& weight, Conv2dOptions o, const Tensor& dx) {
  visit_precise(dy.dtype(), [&]<typename T>() {
    backward_data<T>(DirectSizes(dx.shape(), weight.shape(), o), dy.data<T>(), weight.data<T>(), dx.data<T>());
  });
}
void run_backward_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor& dbias) {
  visit_precise(x.dtype(), [&]<typename T>() {
    backward_weight<T>(DirectSizes(x.shape(), dw.shape(), o), x.data<T>(), dy.data<T>(), dw.data<T>(),
                       dbias.defined() ? dbias.data<T>() : nullptr);
  });
}

std::string refuse_forward(const Tensor& x, const Tensor&, const Tensor&, Conv2dOptions o, const Tensor& y) {
  return refuse_direct(x, y, o);
}
std::string refuse_data(const Tensor& dy, const Tensor&, Conv2dOptions o, const Tensor& dx) {
  return o.dilation.h != 1 ? "dilation > 1" : refuse_direct(dx, dy, o);
}
std::string refuse_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor&) {
  return dw.contiguous_format() ? refuse_direct(x, dy, o) : "dw is not contiguous";
}

[[maybe_unused]] const bool registered[] = {
    conv2d_forward.add(
        {.device = kThisDevice, .name = "cpu.direct", .rank = 90, .refuse = refuse_forward, .run = run_forward}),
    conv2d_backward_data.add(
        {.device = kThisDevice, .name = "cpu.direct", .rank = 90, .refuse = refuse_data, .run = run_backward_data}),
    conv2d_backward_weight.add(
        {.device = kThisDevice, .name = "cpu.direct", .rank = 90, .refuse = refuse_weight, .run = run_backward_weight}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
