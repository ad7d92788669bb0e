// Local response normalisation, a stretch of pixels with all their channels at a time: the C adjacent numbers of one
// channels-last pixel, or kWidth pixels of C planes. In either, element c * width + i is channel c of pixel i, and its
// neighbour in the next channel lies `width` further. Squares (backward: also the terms of the second sum) stand in a
// buffer with zeros around, so that every sum is one loop over all elements. Memory-bound: one pass over the images.
#include "kernels/response.h"

#include "core/parallel.h"
#include "kernels/cpu/buffer.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

constexpr std::int64_t kWidth = 64;

// Stretches: rows of adjacent numbers, `row` apart: one for channels-last, C otherwise.
struct Stretches {
  std::int64_t channels, pixels;  // of an image, pixels; of channels-last images the whole batch is one image
  std::int64_t images;
  bool last;

  explicit Stretches(const Tensor& x) : channels(x.size(1)), last(x.channels_last()) {
    images = last ? 1 : x.size(0);
    pixels = x.size(2) * x.size(3) * (last ? x.size(0) : 1);
  }
  std::int64_t width() const { return last ? 1 : std::min(kWidth, pixels); }
  std::int64_t per_image() const { return (pixels + width() - 1) / width(); }
  std::int64_t elements() const { return channels * width(); }
};

// Where a stretch lies in one tensor.
template <typename T>
struct Rows {
  T* data;
  std::int64_t rows, columns, step;

  Rows(const Stretches& s, const Tensor& x, std::int64_t stretch) {
    const std::int64_t image = stretch / s.per_image(), first = stretch % s.per_image() * s.width();
    if (s.last) {
      data = x.data<T>() + first * x.layout().pitch();
      rows = 1, columns = s.channels, step = 0;
    } else {
      data = x.data<T>() + image * s.channels * s.pixels + first;
      rows = s.channels, columns = std::min(s.width(), s.pixels - first), step = s.pixels;
    }
  }
};
// body(element, place): both walk along a row.
template <typename T, typename F>
void each(const Rows<T>& rows, std::int64_t width, F&& body) {
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    T* const from = rows.data + r * rows.step;
    const std::int64_t at = r * width;
    for (std::int64_t i = 0; i < rows.columns; ++i) body(from[i], at + i);
  }
}

// Numbers of a stretch between `before` and `after` channels of zeros.
template <typename C>
class Padded {
 public:
  Padded(std::int64_t elements, std::int64_t width, int before, int after)
      : elements_(elements), width_(width), taps_(before + after + 1), space_(elements + (before + after) * width) {
    std::fill_n(space_.data(), elements + (before + after) * width, C(0));
    data_ = space_.data() + before * width;
  }
  C* data() const { return data_; }
  // sums[e] = the sum over the taps around element e, in rising order.
  void sum(C* sums) const {
    const C* from = space_.data();
    for (std::int64_t e = 0; e < elements_; ++e) sums[e] = from[e];
    for (int tap = 1; tap < taps_; ++tap) {
      from += width_;
#pragma omp simd
      for (std::int64_t e = 0; e < elements_; ++e) sums[e] += from[e];
    }
  }

 private:
  std::int64_t elements_, width_;
  int taps_;
  Buffer<C> space_;
  C* data_;
};

// body(stretch) in parallel; `start` makes what a thread needs.
template <typename F>
void each_stretch(const Stretches& s, F&& body) {
  parallel_for(s.images * s.per_image(), 1 + 10'000 / (s.elements() + 1), body);
}

void forward(const Tensor& x, LocalResponseNormOptions o, const Tensor& y) {
  if (x.elements() == 0) return;
  const Stretches s(x);
  visit_floating(x.dtype(), "local_response_norm", [&]<typename T>() {
    using C = Compute<T>;
    const Response<C> response(o);
    each_stretch(s, [&](std::int64_t begin, std::int64_t end) {
      const Padded<C> squares(s.elements(), s.width(), response.before, response.after);
      const Buffer<C> sums(s.elements());
      C* const square = squares.data();
      C* const sum = sums.data();
      for (std::int64_t i = begin; i < end; ++i) {
        const Rows<T> in(s, x, i), out(s, y, i);
        each(in, s.width(), [&](T value, std::int64_t at) { square[at] = C(value) * C(value); });
        squares.sum(sum);
#pragma omp simd
        for (std::int64_t e = 0; e < s.elements(); ++e) sum[e] = response.power(response.base(sum[e]));
        for (std::int64_t r = 0; r < in.rows; ++r)
          for (std::int64_t c = 0; c < in.columns; ++c)
            out.data[r * out.step + c] = T(C(in.data[r * in.step + c]) * sum[r * s.width() + c]);
      }
    });
  });
}

void backward(const Tensor& x, const Tensor& dy, LocalResponseNormOptions o, const Tensor& dx) {
  if (x.elements() == 0) return;
  const Stretches s(x);
  visit_floating(x.dtype(), "local_response_norm", [&]<typename T>() {
    using C = Compute<T>;
    const Response<C> response(o);
    each_stretch(s, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t n = s.elements();
      const Padded<C> squares(n, s.width(), response.before, response.after);
      const Padded<C> terms(n, s.width(), response.after, response.before);
      const Buffer<C> powers(n), sums(n), values(n), gradients(n);
      C *const square = squares.data(), *const term = terms.data(), *const power = powers.data();
      C *const sum = sums.data(), *const value = values.data(), *const gradient = gradients.data();
      std::fill_n(value, n, C(0)), std::fill_n(gradient, n, C(0));
      for (std::int64_t i = begin; i < end; ++i) {
        each(Rows<T>(s, x, i), s.width(), [&](T v, std::int64_t at) { value[at] = C(v); });
        each(Rows<T>(s, dy, i), s.width(), [&](T v, std::int64_t at) { gradient[at] = C(v); });
        for (std::int64_t e = 0; e < n; ++e) square[e] = value[e] * value[e];
        squares.sum(sum);
#pragma omp simd
        for (std::int64_t e = 0; e < n; ++e) {
          const C base = response.base(sum[e]);
          power[e] = response.power(base);
          term[e] = gradient[e] * value[e] * (power[e] / base);
        }
        terms.sum(sum);
        const C factor = C(2) * response.scale * response.beta;
        each(Rows<T>(s, dx, i), s.width(),
             [&](T& to, std::int64_t at) { to = T(gradient[at] * power[at] - factor * value[at] * sum[at]); });
      }
    });
  });
}

[[maybe_unused]] const bool registered[] = {
    local_response_norm_forward.add({.device = kThisDevice, .name = "cpu.stretches", .rank = 100, .run = forward}),
    local_response_norm_backward.add({.device = kThisDevice, .name = "cpu.stretches", .rank = 100, .run = backward}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
