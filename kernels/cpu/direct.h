// What the direct convolutions share: the sizes, the padded image, packed weights, and when they refuse. A direct
// convolution walks channels-last images in place with the tile of tile.h.
#pragma once

#include <string>

#include "core/parallel.h"
#include "kernels/convolution_sizes.h"
#include "kernels/cpu/buffer.h"
#include "kernels/cpu/tile.h"

namespace weft::cpu::WEFT_CPU_LEVEL {

inline constexpr std::int64_t kWeightParts = 8;  // partial sums of dw, whatever the number of threads

struct DirectSizes : ConvolutionSizes {
  std::int64_t line;     // numbers in a row of the padded image
  std::int64_t stretch;  // s * c: adjacent numbers of a patch

  DirectSizes(const Shape& image, const Shape& weight, const Conv2dOptions& options)
      : ConvolutionSizes(convolution_sizes(image, weight, options)), line((w + 2 * padding.w) * c), stretch(s * c) {}

  std::int64_t image_elements() const { return h * w * c; }
  std::int64_t padded_elements() const { return padded() ? (h + 2 * padding.h) * line : 0; }
  std::int64_t row_step() const { return stride.w * c; }        // from output pixel to output pixel
  std::int64_t row_segment() const { return stride.h * line; }  // from output row to output row
};

// Image number i with its border of zeros: written to `space`, or the image itself where there is no border.
template <typename T>
const T* padded_image(const DirectSizes& g, const T* x, std::int64_t i, T* space) {
  const T* image = x + i * g.image_elements();
  if (!g.padded()) return image;
  T* to = std::fill_n(space, g.padding.h * g.line, T(0));
  for (std::int64_t h = 0; h < g.h; ++h) {
    to = std::fill_n(to, g.padding.w * g.c, T(0));
    to = std::copy_n(image + h * g.w * g.c, g.w * g.c, to);
    to = std::fill_n(to, g.padding.w * g.c, T(0));
  }
  std::fill_n(to, g.padding.h * g.line, T(0));
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

template <typename F>
void visit_precise(DType dtype, F&& body) {
  if (dtype == DType::f64)
    body.template operator()<double>();
  else
    body.template operator()<float>();
}

// What the walk needs: channels-last images without gaps, one group, filter columns side by side.
inline std::string refuse_direct(const Tensor& image, const Tensor& out, const Conv2dOptions& o) {
  if (image.dtype() != DType::f32 && image.dtype() != DType::f64) return message("x is ", image.dtype());
  for (const Tensor* t : {&image, &out})
    if (!t->channels_last() || !t->layout().dense()) return "an image is not dense channels-last";
  if (o.groups != 1) return "groups > 1";
  if (o.dilation.w != 1) return "dilation > 1 along the rows";
  return image.elements() == 0 || out.elements() == 0 ? "an image is empty" : "";
}
}  // namespace weft::cpu::WEFT_CPU_LEVEL
