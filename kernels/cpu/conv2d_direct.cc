// Direct convolution over channels-last images. The patch of an output pixel is R stretches of S * C adjacent numbers,
// so a tile (tile.h) walks it in place: no patches are gathered. Made for few channels, where a library that works in
// blocks of 16 channels computes mostly padding; C = 1 and 6 of LeNet run at half of the machine's peak and more.
#include "core/ops/conv2d.h"

#include <vector>

#include "core/parallel.h"
#include "kernels/cpu/buffer.h"
#include "kernels/cpu/tile.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

constexpr std::int64_t kWeightParts = 8;  // partial sums of dw, whatever the number of threads

struct Geometry {
  std::int64_t n, c, h, w, k, r, s, p, q;
  std::int64_t line;     // numbers in a row of the padded image
  std::int64_t stretch;  // s * c: adjacent numbers of a patch
  Conv2dOptions o;

  Geometry(const Tensor& image, const Shape& weight, const Tensor& out, const Conv2dOptions& options)
      : n(image.size(0)),
        c(image.size(1)),
        h(image.size(2)),
        w(image.size(3)),
        k(weight[0]),
        r(weight[2]),
        s(weight[3]),
        p(out.size(2)),
        q(out.size(3)),
        line((w + 2 * options.padding.w) * c),
        stretch(s * c),
        o(options) {}

  bool padded() const { return !(o.padding == Pair(0)); }
  std::int64_t image_elements() const { return h * w * c; }
  std::int64_t padded_elements() const { return padded() ? (h + 2 * o.padding.h) * line : 0; }
  std::int64_t row_step() const { return o.stride.w * c; }        // from output pixel to output pixel
  std::int64_t row_segment() const { return o.stride.h * line; }  // from output row to output row
};

// Image number i with its border of zeros: written to `space`, or the image itself where there is no border.
template <typename T>
const T* padded_image(const Geometry& g, const T* x, std::int64_t i, T* space) {
  const T* image = x + i * g.image_elements();
  if (!g.padded()) return image;
  T* to = std::fill_n(space, g.o.padding.h * g.line, T(0));
  for (std::int64_t h = 0; h < g.h; ++h) {
    to = std::fill_n(to, g.o.padding.w * g.c, T(0));
    to = std::copy_n(image + h * g.w * g.c, g.w * g.c, to);
    to = std::fill_n(to, g.o.padding.w * g.c, T(0));
  }
  std::fill_n(to, g.o.padding.h * g.line, T(0));
  return space;
}

// Panels of `width` columns of a matrix (rows, columns) given by at(row, column), zeros on the right.
template <typename T, typename At>
void pack_panels(std::int64_t rows, std::int64_t columns, std::int64_t width, T* to, At&& at) {
  for (std::int64_t j0 = 0; j0 < columns; j0 += width)
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = j0; j < j0 + width; ++j) *to++ = j < columns ? at(i, j) : T(0);
}
inline std::int64_t panels(std::int64_t columns, std::int64_t width) { return (columns + width - 1) / width; }

// Rows of a tile: output pixels. Vectors: output channels.
template <typename T>
void forward(const Geometry& g, const T* x, const T* weight, const T* bias, T* y) {
  const std::int64_t width = panel_width<T>(g.k), taps = g.r * g.stretch;
  const Buffer<T> packed(panels(g.k, width) * taps * width);
  pack_panels(taps, g.k, width, packed.data(), [&](std::int64_t tap, std::int64_t k) {  // tap = (r, s, c)
    return weight[(k * g.c + tap % g.c) * g.r * g.s + tap / g.c];
  });
  const Walk walk{g.r, g.stretch, g.o.dilation.h * g.line, 1, g.stretch * width, width};
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

// One row of dx: every dy that meets it makes a stretch of S * C numbers, and the stretches of neighbours overlap.
// Rows of a tile: output pixels of a row. Vectors: the stretch. Summed over (r, k), then added up over s.
template <typename T>
void backward_row(const Geometry& g, const T* dy, const T* packed, std::int64_t width, std::int64_t h, T* stretches,
                  T* line) {
  std::fill_n(line, g.line, T(0));
  const std::int64_t at = h + g.o.padding.h,
                     stride = g.o.stride.h;  // dy row p meets dx row h where p * stride + r == at
  const std::int64_t last_p = std::min(g.p - 1, at / stride);
  const std::int64_t first_p = at < g.r ? 0 : (at - g.r) / stride + 1;
  if (last_p < first_p) return;
  const Walk walk{last_p - first_p + 1, g.k, -g.q * g.k, 1, stride * g.k * width, width};
  const std::int64_t first_r = at - last_p * stride;
  for (std::int64_t j = 0; j < g.stretch; j += width)
    compute_tiles<T>(
        walk, g.q, [&](std::int64_t q) { return dy + (last_p * g.q + q) * g.k; },
        packed + (j * g.r + first_r * width) * g.k, std::min(width, g.stretch - j), stretches + j, g.stretch, nullptr,
        0);
  for (std::int64_t s = 0; s < g.s; ++s)
    for (std::int64_t q = 0; q < g.q; ++q) {
      T* to = line + (q * g.o.stride.w + s) * g.c;
      const T* from = stretches + q * g.stretch + s * g.c;
      for (std::int64_t c = 0; c < g.c; ++c) to[c] += from[c];
    }
}

template <typename T>
void backward_data(const Geometry& g, const T* dy, const T* weight, T* dx) {
  const std::int64_t width = panel_width<T>(g.stretch);
  const Buffer<T> packed(panels(g.stretch, width) * g.r * g.k * width);
  pack_panels(g.r * g.k, g.stretch, width, packed.data(), [&](std::int64_t row, std::int64_t sc) {  // row = (r, k)
    return weight[((row % g.k * g.c + sc % g.c) * g.r + row / g.k) * g.s + sc / g.c];
  });
  parallel_for(g.n, 1 + 100'000 / (g.p * g.q * g.k * g.r * g.stretch + 1), [&](std::int64_t begin, std::int64_t end) {
    const Buffer<T> stretches(g.q * g.stretch), line(g.line);
    for (std::int64_t n = begin; n < end; ++n)
      for (std::int64_t h = 0; h < g.h; ++h) {
        backward_row(g, dy + n * g.p * g.q * g.k, packed.data(), width, h, stretches.data(), line.data());
        std::copy_n(line.data() + g.o.padding.w * g.c, g.w * g.c, dx + (n * g.h + h) * g.w * g.c);
      }
  });
}

// Rows of a tile: taps (r, s, c), and one row of ones, whose sum with dy is dbias. Vectors: output channels. Walks
// over the pixels of dy. Part i sums over its range of images; the parts are added in order.
template <typename T>
void backward_weight(const Geometry& g, const T* x, const T* dy, T* dw, T* dbias) {
  const std::int64_t parts = std::clamp<std::int64_t>(g.n, 1, kWeightParts), width = panel_width<T>(g.k);
  const std::int64_t taps = g.r * g.stretch, rows = taps + (dbias ? 1 : 0), size = rows * g.k;
  const std::int64_t reach = (g.p - 1) * g.row_segment() + (g.q - 1) * g.row_step() + 1;
  const Buffer<T> sums(parts * size), ones(dbias ? reach : 0);
  std::fill_n(ones.data(), dbias ? reach : 0, T(1));
  std::vector<std::int64_t> offsets;  // of each tap in the image
  for (std::int64_t r = 0; r < g.r; ++r)
    for (std::int64_t i = 0; i < g.stretch; ++i) offsets.push_back(r * g.o.dilation.h * g.line + i);
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

template <typename F>
void visit_precise(DType dtype, F&& body) {
  if (dtype == DType::f64)
    body.template operator()<double>();
  else
    body.template operator()<float>();
}

void run_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions o, const Tensor& y) {
  visit_precise(x.dtype(), [&]<typename T>() {
    forward<T>(Geometry(x, weight.shape(), y, o), x.data<T>(), weight.data<T>(),
               bias.defined() ? bias.data<T>() : nullptr, y.data<T>());
  });
}
void run_backward_data(const Tensor& dy, const Tensor& weight, Conv2dOptions o, const Tensor& dx) {
  visit_precise(dy.dtype(), [&]<typename T>() {
    backward_data<T>(Geometry(dx, weight.shape(), dy, o), dy.data<T>(), weight.data<T>(), dx.data<T>());
  });
}
void run_backward_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor& dbias) {
  visit_precise(x.dtype(), [&]<typename T>() {
    backward_weight<T>(Geometry(x, dw.shape(), dy, o), x.data<T>(), dy.data<T>(), dw.data<T>(),
                       dbias.defined() ? dbias.data<T>() : nullptr);
  });
}

// What the walk needs: channels-last images without gaps, one group, filter columns side by side.
std::string refuse(const Tensor& image, const Tensor& out, const Conv2dOptions& o) {
  if (image.dtype() != DType::f32 && image.dtype() != DType::f64) return message("x is ", image.dtype());
  for (const Tensor* t : {&image, &out})
    if (!t->channels_last() || !t->layout().dense()) return "an image is not dense channels-last";
  if (o.groups != 1) return "groups > 1";
  if (o.dilation.w != 1) return "dilation > 1 along the rows";
  return image.elements() == 0 || out.elements() == 0 ? "an image is empty" : "";
}
std::string refuse_forward(const Tensor& x, const Tensor&, const Tensor&, Conv2dOptions o, const Tensor& y) {
  return refuse(x, y, o);
}
std::string refuse_data(const Tensor& dy, const Tensor&, Conv2dOptions o, const Tensor& dx) {
  return o.dilation.h != 1 ? "dilation > 1" : refuse(dx, dy, o);
}
std::string refuse_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor&) {
  return dw.contiguous_format() ? refuse(x, dy, o) : "dw is not contiguous";
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
