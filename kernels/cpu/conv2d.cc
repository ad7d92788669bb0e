// Convolution as matrix products over channels-last images: the patches of a block of output rows are gathered into a
// matrix u (pixels, R * S * C/groups), which stays in the cache, and multiplied by the weights in the same order of
// taps. Takes every option; other formats and 16-bit floats are computed on copies.
#include "core/ops/elementwise.h"
#include "kernels/convolution_sizes.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/staging.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

constexpr std::int64_t kPatchElements = 64 * 1024;  // of u at a time: 256 KiB of floats
constexpr std::int64_t kWeightParts = 8;            // partial sums of dw, whatever the number of threads

// The image is (N, C, H, W) and out (N, K, P, Q), both channels-last.
struct PatchSizes : ConvolutionSizes {
  std::int64_t rows;  // output rows per block
  std::int64_t image_pitch, out_pitch;

  PatchSizes(const Tensor& image, const Shape& weight, const Tensor& out, const Conv2dOptions& options)
      : ConvolutionSizes(convolution_sizes(image.shape(), weight, options)),
        rows(std::clamp<std::int64_t>(kPatchElements / (taps() * q + 1), 1, p)),
        image_pitch(image.layout().pitch()),
        out_pitch(out.layout().pitch()) {}

  std::int64_t blocks() const { return (p + rows - 1) / rows; }
};

// Calls tap(u, x) for each tap (r, s) of the output pixels of rows [p0, p1): u points to the group_c elements of the
// patch, x to those of the image, null outside of it.
template <typename T, typename F>
void each_tap(const PatchSizes& g, T* image, T* u, std::int64_t p0, std::int64_t p1, F&& tap) {
  for (std::int64_t p = p0; p < p1; ++p)
    for (std::int64_t q = 0; q < g.q; ++q)
      for (std::int64_t r = 0; r < g.r; ++r) {
        const std::int64_t h = p * g.stride.h - g.padding.h + r * g.dilation.h;
        for (std::int64_t s = 0; s < g.s; ++s, u += g.group_c) {
          const std::int64_t w = q * g.stride.w - g.padding.w + s * g.dilation.w;
          const bool inside = h >= 0 && h < g.h && w >= 0 && w < g.w;
          tap(u, inside ? image + (h * g.w + w) * g.image_pitch : nullptr);
        }
      }
}

// The patches of output rows [p0, p1) of one image and group: written to `space`, or the image itself.
template <typename T>
Operand<T> patches(const PatchSizes& g, const T* image, std::int64_t p0, std::int64_t p1, T* space) {
  if (g.pointwise()) return {image + p0 * g.w * g.image_pitch, g.image_pitch, 1};
  each_tap<const T>(g, image, space, p0, p1, [&](const T* u, const T* x) {
    T* to = const_cast<T*>(u);
    x ? std::copy_n(x, g.group_c, to) : std::fill_n(to, g.group_c, T(0));
  });
  return {space, g.taps(), 1};
}

// (K, C/groups, R, S) <-> (K, R, S, C/groups).
template <typename T>
void order_taps(const PatchSizes& g, const T* kcrs, T* krsc) {
  for (std::int64_t k = 0; k < g.k; ++k)
    for (std::int64_t c = 0; c < g.group_c; ++c)
      for (std::int64_t t = 0; t < g.r * g.s; ++t)
        krsc[(k * g.r * g.s + t) * g.group_c + c] = kcrs[(k * g.group_c + c) * g.r * g.s + t];
}

template <typename T>
void forward(const PatchSizes& g, const T* x, const T* weight, const T* bias, T* y) {
  const Buffer<T> ordered(g.k * g.taps());
  order_taps(g, weight, ordered.data());
  parallel_for(g.n * g.blocks(), 1, [&](std::int64_t begin, std::int64_t end) {
    const Buffer<T> space(g.pointwise() ? 0 : g.rows * g.q * g.taps());
    for (std::int64_t item = begin; item < end; ++item) {
      const std::int64_t n = item / g.blocks(), p0 = item % g.blocks() * g.rows, p1 = std::min(g.p, p0 + g.rows);
      for (int group = 0; group < g.groups; ++group) {
        const T* image = x + n * g.h * g.w * g.image_pitch + group * g.group_c;
        multiply<T>({(p1 - p0) * g.q,
                     g.group_k,
                     g.taps(),
                     patches(g, image, p0, p1, space.data()),
                     {ordered.data() + group * g.group_k * g.taps(), 1, g.taps()},
                     y + (n * g.p + p0) * g.q * g.out_pitch + group * g.group_k,
                     g.out_pitch,
                     bias ? bias + group * g.group_k : nullptr});
      }
    }
  });
}

// dx = the patches dy * weight, added up where they overlap: an image at a time, in a fixed order.
template <typename T>
void backward_data(const PatchSizes& g, const T* dy, const T* weight, T* dx) {
  const Buffer<T> ordered(g.k * g.taps());
  order_taps(g, weight, ordered.data());
  parallel_for(g.n, 1, [&](std::int64_t begin, std::int64_t end) {
    const Buffer<T> space(g.rows * g.q * g.taps());
    for (std::int64_t n = begin; n < end; ++n) {
      T* image = dx + n * g.h * g.w * g.image_pitch;
      for (std::int64_t i = 0; i < g.h * g.w; ++i) std::fill_n(image + i * g.image_pitch, g.c, T(0));
      for (int group = 0; group < g.groups; ++group)
        for (std::int64_t p0 = 0; p0 < g.p; p0 += g.rows) {
          const std::int64_t p1 = std::min(g.p, p0 + g.rows);
          multiply<T>({(p1 - p0) * g.q,
                       g.taps(),
                       g.group_k,
                       {dy + (n * g.p + p0) * g.q * g.out_pitch + group * g.group_k, g.out_pitch, 1},
                       {ordered.data() + group * g.group_k * g.taps(), g.taps(), 1},
                       space.data(),
                       g.taps()});
          each_tap(g, image + group * g.group_c, space.data(), p0, p1, [&](const T* u, T* to) {
            for (std::int64_t c = 0; to && c < g.group_c; ++c) to[c] += u[c];
          });
        }
    }
  });
}

// Part i sums over its range of images; the parts are added in order.
template <typename T>
void backward_weight(const PatchSizes& g, const T* x, const T* dy, T* dw, T* dbias) {
  const std::int64_t parts = std::clamp<std::int64_t>(g.n, 1, kWeightParts), size = g.k * g.taps();
  const Buffer<T> sums(parts * size), bias_sums(parts * g.k);
  parallel_parts(parts, [&](std::int64_t part) {
    T* sum = sums.data() + part * size;
    T* bias_sum = bias_sums.data() + part * g.k;
    std::fill_n(sum, size, T(0));
    std::fill_n(bias_sum, g.k, T(0));
    const Buffer<T> space(g.pointwise() ? 0 : g.rows * g.q * g.taps());
    for (std::int64_t n = g.n * part / parts; n < g.n * (part + 1) / parts; ++n)
      for (std::int64_t p0 = 0; p0 < g.p; p0 += g.rows) {
        const std::int64_t p1 = std::min(g.p, p0 + g.rows), pixels = (p1 - p0) * g.q;
        const T* out = dy + (n * g.p + p0) * g.q * g.out_pitch;
        for (int group = 0; group < g.groups; ++group) {
          const T* image = x + n * g.h * g.w * g.image_pitch + group * g.group_c;
          multiply<T>({g.group_k,
                       g.taps(),
                       pixels,
                       {out + group * g.group_k, 1, g.out_pitch},
                       patches(g, image, p0, p1, space.data()),
                       sum + group * g.group_k * g.taps(),
                       g.taps(),
                       nullptr,
                       true});
        }
        for (std::int64_t i = 0; dbias && i < pixels; ++i)
          for (std::int64_t k = 0; k < g.k; ++k) bias_sum[k] += out[i * g.out_pitch + k];
      }
  });
  for (std::int64_t part = 1; part < parts; ++part) {
    for (std::int64_t i = 0; i < size; ++i) sums[i] += sums[part * size + i];
    for (std::int64_t k = 0; k < g.k; ++k) bias_sums[k] += bias_sums[part * g.k + k];
  }
  for (std::int64_t k = 0; k < g.k; ++k)
    for (std::int64_t t = 0; t < g.r * g.s; ++t)
      for (std::int64_t c = 0; c < g.group_c; ++c)
        dw[(k * g.group_c + c) * g.r * g.s + t] = sums[(k * g.r * g.s + t) * g.group_c + c];
  if (dbias) std::copy_n(bias_sums.data(), g.k, dbias);
}

template <typename T>
T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

void run_forward(const Tensor& x_in, const Tensor& weight_in, const Tensor& bias_in, Conv2dOptions o,
                 const Tensor& y_out) {
  if (y_out.elements() == 0) return;
  const Tensor x = staged(x_in, MemoryFormat::channels_last), weight = staged(weight_in), bias = staged(bias_in);
  stage_output(y_out, MemoryFormat::channels_last, [&](const Tensor& y) {
    visit_staged(y.dtype(), [&]<typename T>() {
      forward<T>(PatchSizes(x, weight.shape(), y, o), x.data<T>(), weight.data<T>(), data_or_null<T>(bias),
                 y.data<T>());
    });
  });
}

// By whoever convolves best, then in place.
void run_forward_relu(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions o, const Tensor& y) {
  conv2d_forward(x, weight, bias, o, y);
  unary_forward(Unary::relu, {}, y, y);
}

void run_backward_data(const Tensor& dy_in, const Tensor& weight_in, Conv2dOptions o, const Tensor& dx_out) {
  if (dx_out.elements() == 0) return;
  const Tensor dy = staged(dy_in, MemoryFormat::channels_last), weight = staged(weight_in);
  stage_output(dx_out, MemoryFormat::channels_last, [&](const Tensor& dx) {
    visit_staged(dx.dtype(), [&]<typename T>() {
      backward_data<T>(PatchSizes(dx, weight.shape(), dy, o), dy.data<T>(), weight.data<T>(), dx.data<T>());
    });
  });
}

void run_backward_weight(const Tensor& x_in, const Tensor& dy_in, Conv2dOptions o, const Tensor& dw_out,
                         const Tensor& dbias_out) {
  const Tensor x = staged(x_in, MemoryFormat::channels_last), dy = staged(dy_in, MemoryFormat::channels_last);
  stage_output(dw_out, MemoryFormat::contiguous, [&](const Tensor& dw) {
    stage_output(dbias_out, MemoryFormat::contiguous, [&](const Tensor& dbias) {
      visit_staged(dw.dtype(), [&]<typename T>() {
        backward_weight<T>(PatchSizes(x, dw.shape(), dy, o), x.data<T>(), dy.data<T>(), dw.data<T>(),
                           data_or_null<T>(dbias));
      });
    });
  });
}

[[maybe_unused]] const bool registered[] = {
    conv2d_forward.add({.device = kThisDevice, .name = "cpu.patches", .rank = 100, .run = run_forward}),
    conv2d_bias_relu_forward.add({.device = kThisDevice, .name = "cpu.composed", .rank = 100, .run = run_forward_relu}),
    conv2d_backward_data.add({.device = kThisDevice, .name = "cpu.patches", .rank = 100, .run = run_backward_data}),
    conv2d_backward_weight.add({.device = kThisDevice, .name = "cpu.patches", .rank = 100, .run = run_backward_weight}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
