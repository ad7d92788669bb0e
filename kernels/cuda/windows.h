// A convolution as a product of matrices, without copying anything: the left operand's element (pixel, tap) is where a
// window on an image lies when it stands at the pixel, zero outside of the image. Forward, the image is x and the
// pixels are y's; for the data gradient the image is dy and the pixels are dx's.
//
// Note [Phases]: with a stride of s, a pixel h of dx gets only from the taps r with (h + padding - r * dilation) % s
// == 0. So dx falls apart into s * s interleaved images (phases); within one, the same taps count for all pixels, and
// the windows move in steps of 1 in dy. Each phase is a product of its own, and no multiply-add is done for nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "core/tensor.h"
#include "kernels/convolution_sizes.h"
#include "kernels/cuda/launch.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

// One axis of the pixels, the taps and the image, all of which are counted from 0.
struct WindowAxis {
  int pixels, taps, size;         // of the output (phase), of the filter (phase), of the image
  int pixel_step, first;          // pixel i, tap 0 sees position i * pixel_step + first of the image
  int tap_step;                   // and tap t sees tap_step * t further
  int filter_step, filter_first;  // tap t is the filter's number t * filter_step + filter_first
  int out_step, out_first;        // pixel i is the output's number i * out_step + out_first
};

// Where an image's elements lie: any layout with strides of its own for the four axes.
struct ImageSteps {
  std::int64_t image, channel, row, column;
};
inline ImageSteps image_steps(const Tensor& x) {
  return {x.strides()[0], x.strides()[1], x.strides()[2], x.strides()[3]};
}

struct Windows {
  WindowAxis h, w;
  std::int64_t images, channels;  // channels: of one group
  ImageSteps steps;               // of the image
  bool channels_fast;             // taps are counted (r, s, channel) and not (channel, r, s)

  __host__ __device__ std::int64_t pixels() const { return images * h.pixels * w.pixels; }
  __host__ __device__ std::int64_t taps() const { return channels * h.taps * w.taps; }
};

// A place in an image that may lie outside of it; a pixel's place and a tap's are added up.
struct alignas(16) WindowPlace {
  int h, w;
  std::int64_t at;

  static constexpr int kNone = -(1 << 30);  // added to anything, outside of every image
};

struct WindowPixel {
  std::int64_t image;
  int h, w;
};
__device__ inline WindowPixel pixel_at(const Windows& x, std::int64_t i) {
  const std::int64_t row = i / x.w.pixels;
  return {row / x.h.pixels, static_cast<int>(row % x.h.pixels), static_cast<int>(i % x.w.pixels)};
}
__device__ inline WindowPlace pixel_place(const Windows& x, std::int64_t i) {
  const WindowPixel pixel = pixel_at(x, i);
  const int h = pixel.h * x.h.pixel_step + x.h.first, w = pixel.w * x.w.pixel_step + x.w.first;
  return {h, w, pixel.image * x.steps.image + h * x.steps.row + w * x.steps.column};
}

struct WindowTap {
  std::int64_t channel;
  int h, w;
};
__device__ inline WindowTap tap_at(const Windows& x, std::int64_t k) {
  if (x.channels_fast) {
    const std::int64_t tap = k / x.channels;
    return {k % x.channels, static_cast<int>(tap / x.w.taps), static_cast<int>(tap % x.w.taps)};
  }
  const std::int64_t row = k / x.w.taps;
  return {row / x.h.taps, static_cast<int>(row % x.h.taps), static_cast<int>(k % x.w.taps)};
}
__device__ inline WindowPlace tap_place(const Windows& x, const WindowTap& tap) {
  const int h = tap.h * x.h.tap_step, w = tap.w * x.w.tap_step;
  return {h, w, tap.channel * x.steps.channel + h * x.steps.row + w * x.steps.column};
}
// The tap's place in a filter (…, R, S) with S columns.
__device__ inline std::int64_t filter_place(const Windows& x, const WindowTap& tap, std::int64_t columns) {
  return (tap.h * x.h.filter_step + x.h.filter_first) * columns + tap.w * x.w.filter_step + x.w.filter_first;
}
// Whether the sum of both places lies in the image. Then its element is number pixel.at + tap.at.
__device__ inline bool inside(const Windows& x, const WindowPlace& pixel, const WindowPlace& tap) {
  return static_cast<unsigned>(pixel.h + tap.h) < static_cast<unsigned>(x.h.size) &&
         static_cast<unsigned>(pixel.w + tap.w) < static_cast<unsigned>(x.w.size);
}

// The windows of y on x, along one axis.
inline WindowAxis forward_axis(std::int64_t out, std::int64_t filter, std::int64_t size, int stride, int padding,
                               int dilation) {
  return {.pixels = static_cast<int>(out),
          .taps = static_cast<int>(filter),
          .size = static_cast<int>(size),
          .pixel_step = stride,
          .first = -padding,
          .tap_step = dilation,
          .filter_step = 1,
          .filter_first = 0,
          .out_step = 1,
          .out_first = 0};
}

// The windows of one phase of dx on dy, along one axis; see Note [Phases]. The filter is run through backwards in dy.
inline WindowAxis backward_axis(std::int64_t out, std::int64_t filter, std::int64_t size, int stride, int padding,
                                int dilation, int phase) {
  const int step = stride / std::gcd(stride, dilation);  // from one tap of the phase to the next
  int first = 0;
  while (first < step && (phase + padding - first * dilation) % stride != 0) ++first;
  const bool none = first == step || first >= filter;
  return {.pixels = static_cast<int>(std::max<std::int64_t>(0, (out - phase + stride - 1) / stride)),
          .taps = none ? 0 : static_cast<int>((filter - first + step - 1) / step),
          .size = static_cast<int>(size),
          .pixel_step = 1,
          .first = none ? 0 : (phase + padding - first * dilation) / stride,
          .tap_step = -(step * dilation / stride),
          .filter_step = step,
          .filter_first = first,
          .out_step = stride,
          .out_first = phase};
}

inline Windows forward_windows(const ConvolutionSizes& s, const Tensor& x) {
  return {.h = forward_axis(s.p, s.r, s.h, s.stride.h, s.padding.h, s.dilation.h),
          .w = forward_axis(s.q, s.s, s.w, s.stride.w, s.padding.w, s.dilation.w),
          .images = s.n,
          .channels = s.group_c,
          .steps = image_steps(x),
          .channels_fast = x.strides()[1] == 1};
}
inline Windows backward_windows(const ConvolutionSizes& s, const Tensor& dy, int phase_h, int phase_w) {
  return {.h = backward_axis(s.h, s.r, s.p, s.stride.h, s.padding.h, s.dilation.h, phase_h),
          .w = backward_axis(s.w, s.s, s.q, s.stride.w, s.padding.w, s.dilation.w, phase_w),
          .images = s.n,
          .channels = s.group_k,
          .steps = image_steps(dy),
          .channels_fast = dy.strides()[1] == 1};
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
