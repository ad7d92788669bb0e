// The windows of a pooling, for the kernels of every backend: which pixels a window holds, which windows hold a pixel,
// and over how many pixels an average is taken. A plain value that can be a kernel argument.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/ops/pool2d.h"
#include "core/random.h"

namespace weft {

// [begin, end) of pixels or of windows.
struct PoolRange {
  std::int64_t begin, end;
};

// One axis. kernel 0 stands for bins: window i of n over a size is [floor(i * size / n), ceil((i + 1) * size / n)).
struct PoolAxis {
  std::int64_t size = 0, windows = 0;  // pixels and windows
  int kernel = 0, stride = 0, padding = 0;

  // a / b for numbers that are not negative; 32-bit division is several times faster.
  WEFT_HOST_DEVICE static std::int64_t quotient(std::int64_t a, std::int64_t b) {
    if (((a | b) >> 32) == 0) return static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(b);
    return a / b;
  }
  // Bin i of n over a size.
  WEFT_HOST_DEVICE static PoolRange bin(std::int64_t i, std::int64_t size, std::int64_t n) {
    return {quotient(i * size, n), quotient((i + 1) * size + n - 1, n)};
  }

  // Where window i begins, padding included: below 0 where it hangs over.
  WEFT_HOST_DEVICE std::int64_t start(std::int64_t i) const {
    return kernel == 0 ? quotient(i * size, windows) : i * stride - padding;
  }
  // The pixels of window i: never none.
  WEFT_HOST_DEVICE PoolRange pixels(std::int64_t i) const {
    if (kernel == 0) return bin(i, size, windows);
    const std::int64_t first = i * stride - padding, last = first + kernel;
    return {first > 0 ? first : 0, last < size ? last : size};
  }
  // The windows that hold a pixel: those of bins are bins of the windows.
  WEFT_HOST_DEVICE PoolRange holders(std::int64_t pixel) const {
    if (kernel == 0) return bin(pixel, windows, size);
    const std::int64_t at = pixel + padding, last = quotient(at, stride) + 1;
    return {at < kernel ? 0 : quotient(at - kernel, stride) + 1, last < windows ? last : windows};
  }
  // Pixels of window i with those of the padding; a window that ceil_mode lets hang over the padding ends with it.
  WEFT_HOST_DEVICE std::int64_t padded(std::int64_t i) const {
    const std::int64_t first = i * stride - padding, last = first + kernel;
    return (last < size + padding ? last : size + padding) - first;
  }
};

struct PoolWindows {
  PoolAxis rows, columns;
  bool count_include_pad = false;

  PoolWindows(const Tensor& x, const Tensor& y, const Pool2dOptions& o)
      : rows{x.size(2), y.size(2), o.kernel.h, o.stride.h, o.padding.h},
        columns{x.size(3), y.size(3), o.kernel.w, o.stride.w, o.padding.w},
        count_include_pad(o.count_include_pad) {}
  // Bins.
  PoolWindows(const Tensor& x, const Tensor& y) : rows{x.size(2), y.size(2)}, columns{x.size(3), y.size(3)} {}

  // The number of pixels that window (p, q) is averaged over.
  WEFT_HOST_DEVICE std::int64_t area(std::int64_t p, std::int64_t q) const {
    if (count_include_pad) return rows.padded(p) * columns.padded(q);
    const PoolRange r = rows.pixels(p), c = columns.pixels(q);
    return (r.end - r.begin) * (c.end - c.begin);
  }
};
static_assert(std::is_trivially_copyable_v<PoolWindows>);

}  // namespace weft
