// Resizing of byte images by a triangle or a cubic filter ("bilinear", "bicubic"; widened when shrinking), in integers,
// rows before columns: the same bytes as Pillow's Image.resize(…, BILINEAR or BICUBIC), which torchvision's Resize
// calls (Pillow 13 does the columns first where that is less work).
#pragma once

#include <cstdint>
#include <vector>

#include "core/export.h"

namespace weft::data {

inline constexpr int kLargestImage = 4096;  // of a side after resizing

enum class ResizeFilter : std::uint8_t { triangle, cubic };  // cubic: Keys's piecewise polynomial with a = -1/2

class WEFT_API Resize {
 public:
  // All sizes > 0.
  Resize(int height, int width, int new_height, int new_width, ResizeFilter filter = ResizeFilter::triangle);
  // One plane of `height` rows to one of `new_height` rows, both dense.
  void plane(const std::uint8_t* x, std::uint8_t* y) const;

 private:
  // For each output position: which inputs it averages, and their weights in units of 2^-22.
  struct Axis {
    int size, new_size, taps = 0;  // no taps: both sizes are the same
    std::vector<int> first, count;
    std::vector<std::int32_t> weights;  // (new_size, taps)
    Axis(int size, int new_size, ResizeFilter filter);
    // One line of `size` bytes to one of `new_size`; steps between neighbours in bytes.
    void apply(const std::uint8_t* x, int x_step, std::uint8_t* y, int y_step) const;
  };
  Axis vertical_, horizontal_;
};

}  // namespace weft::data
