// Pooling. Both memory formats are one loop: a channels-last batch is N planes of pixels of C adjacent channels, a
// contiguous one N * C planes of pixels of one channel. Threads own whole planes; memory-bound, one pass.
#include "core/ops/pool2d.h"

#include <cmath>
#include <limits>

#include "core/parallel.h"
#include "kernels/cpu/buffer.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

struct Planes {
  std::int64_t count, h, w;
  std::int64_t channels;  // adjacent in memory
  std::int64_t pitch;     // from pixel to pixel
  std::int64_t plane_elements() const { return h * w * pitch; }

  explicit Planes(const Tensor& x) : h(x.size(2)), w(x.size(3)) {
    const bool last = x.channels_last();
    count = last ? x.size(0) : x.size(0) * x.size(1);
    channels = last ? x.size(1) : 1;
    pitch = last ? x.layout().pitch() : 1;
  }
};

// The part of output pixel (p, q)'s window that lies inside the plane.
struct Window {
  std::int64_t h0, h1, w0, w1;
  Window(const Pool2dOptions& o, const Planes& in, std::int64_t p, std::int64_t q) {
    const std::int64_t top = p * o.stride.h - o.padding.h, left = q * o.stride.w - o.padding.w;
    h0 = std::max<std::int64_t>(top, 0), h1 = std::min(top + o.kernel.h, in.h);
    w0 = std::max<std::int64_t>(left, 0), w1 = std::min(left + o.kernel.w, in.w);
  }
  template <typename F>
  void each(const Planes& in, F&& body) const {
    for (std::int64_t h = h0; h < h1; ++h)
      for (std::int64_t w = w0; w < w1; ++w) body(h * in.w + w);
  }
  std::int64_t divisor(const Pool2dOptions& o) const {
    return o.count_include_pad ? std::int64_t{o.kernel.h} * o.kernel.w : (h1 - h0) * (w1 - w0);
  }
};

// body(plane, p, q, output pixel number) over all output pixels, planes split over the threads.
template <typename F>
void each_window(const Planes& out, F&& body) {
  parallel_for(out.count, 1 + 20'000 / (out.h * out.w * out.channels + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane)
      for (std::int64_t p = 0; p < out.h; ++p)
        for (std::int64_t q = 0; q < out.w; ++q) body(plane, p, q, p * out.w + q);
  });
}

void max_forward(const Tensor& x, Pool2dOptions o, const Tensor& y, const Tensor& index) {
  visit_floating(x.dtype(), "max_pool2d", [&]<typename T>() {
    const Planes in(x), out(y);
    const T* from = x.data<T>();
    T* to = y.data<T>();
    std::int32_t* positions = index.defined() ? index.data<std::int32_t>() : nullptr;
    each_window(out, [&](std::int64_t plane, std::int64_t p, std::int64_t q, std::int64_t pixel) {
      const T* image = from + plane * in.plane_elements();
      const std::int64_t at = plane * out.plane_elements() + pixel * out.pitch;
      const Window window(o, in, p, q);
      for (std::int64_t c = 0; c < out.channels; ++c) {
        auto best = -std::numeric_limits<Compute<T>>::infinity();
        std::int64_t where = window.h0 * in.w + window.w0;
        window.each(in, [&](std::int64_t i) {
          const auto value = static_cast<Compute<T>>(image[i * in.pitch + c]);
          if (value > best || std::isnan(value)) best = value, where = i;
        });
        to[at + c] = static_cast<T>(best);
        if (positions) positions[at + c] = static_cast<std::int32_t>(where);
      }
    });
  });
}

void max_backward(const Tensor& dy, const Tensor& index, Pool2dOptions, const Tensor& dx) {
  visit_floating(dx.dtype(), "max_pool2d", [&]<typename T>() {
    using C = Compute<T>;
    const Planes in(dx), out(dy);
    const T* from = dy.data<T>();
    const std::int32_t* positions = index.data<std::int32_t>();
    const Planes indices(index);
    parallel_for(out.count, 1, [&](std::int64_t begin, std::int64_t end) {
      const Buffer<C> sums(in.h * in.w * in.channels);  // windows may overlap: summed in full precision
      for (std::int64_t plane = begin; plane < end; ++plane) {
        std::fill_n(sums.data(), in.h * in.w * in.channels, C(0));
        for (std::int64_t pixel = 0; pixel < out.h * out.w; ++pixel) {
          const T* gradient = from + plane * out.plane_elements() + pixel * out.pitch;
          const std::int32_t* position = positions + plane * indices.plane_elements() + pixel * indices.pitch;
          for (std::int64_t c = 0; c < out.channels; ++c)
            sums[position[c] * in.channels + c] += static_cast<C>(gradient[c]);
        }
        T* image = dx.data<T>() + plane * in.plane_elements();
        for (std::int64_t i = 0; i < in.h * in.w; ++i)
          for (std::int64_t c = 0; c < in.channels; ++c)
            image[i * in.pitch + c] = static_cast<T>(sums[i * in.channels + c]);
      }
    });
  });
}

void avg_forward(const Tensor& x, Pool2dOptions o, const Tensor& y) {
  visit_floating(x.dtype(), "avg_pool2d", [&]<typename T>() {
    using C = Compute<T>;
    const Planes in(x), out(y);
    const T* from = x.data<T>();
    T* to = y.data<T>();
    each_window(out, [&](std::int64_t plane, std::int64_t p, std::int64_t q, std::int64_t pixel) {
      const T* image = from + plane * in.plane_elements();
      const Window window(o, in, p, q);
      const C scale = C(1) / static_cast<C>(window.divisor(o));
      for (std::int64_t c = 0; c < out.channels; ++c) {
        C sum = 0;
        window.each(in, [&](std::int64_t i) { sum += static_cast<C>(image[i * in.pitch + c]); });
        to[plane * out.plane_elements() + pixel * out.pitch + c] = static_cast<T>(sum * scale);
      }
    });
  });
}

void avg_backward(const Tensor& dy, Pool2dOptions o, const Tensor& dx) {
  visit_floating(dx.dtype(), "avg_pool2d", [&]<typename T>() {
    using C = Compute<T>;
    const Planes in(dx), out(dy);
    parallel_for(out.count, 1, [&](std::int64_t begin, std::int64_t end) {
      const Buffer<C> sums(in.h * in.w * in.channels);
      for (std::int64_t plane = begin; plane < end; ++plane) {
        std::fill_n(sums.data(), in.h * in.w * in.channels, C(0));
        for (std::int64_t p = 0; p < out.h; ++p)
          for (std::int64_t q = 0; q < out.w; ++q) {
            const Window window(o, in, p, q);
            const C scale = C(1) / static_cast<C>(window.divisor(o));
            const T* gradient = dy.data<T>() + plane * out.plane_elements() + (p * out.w + q) * out.pitch;
            window.each(in, [&](std::int64_t i) {
              for (std::int64_t c = 0; c < in.channels; ++c)
                sums[i * in.channels + c] += static_cast<C>(gradient[c]) * scale;
            });
          }
        T* image = dx.data<T>() + plane * in.plane_elements();
        for (std::int64_t i = 0; i < in.h * in.w; ++i)
          for (std::int64_t c = 0; c < in.channels; ++c)
            image[i * in.pitch + c] = static_cast<T>(sums[i * in.channels + c]);
      }
    });
  });
}

[[maybe_unused]] const bool registered[] = {
    max_pool2d_forward.add({.device = kThisDevice, .name = "cpu.planes", .rank = 100, .run = max_forward}),
    max_pool2d_backward.add({.device = kThisDevice, .name = "cpu.planes", .rank = 100, .run = max_backward}),
    avg_pool2d_forward.add({.device = kThisDevice, .name = "cpu.planes", .rank = 100, .run = avg_forward}),
    avg_pool2d_backward.add({.device = kThisDevice, .name = "cpu.planes", .rank = 100, .run = avg_backward}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
