// Photos from files: JPEG and PNG decoded to RGB bytes, the same as Pillow's Image.open(…).convert("RGB"), which
// torchvision's data sets use: grey is spread over three channels, CMYK converted, a palette looked up, alpha and the
// orientation of EXIF ignored, 16-bit channels cut to their upper 8 (Pillow clips 16-bit grey instead). Files are told
// apart by content. Damaged, cut off and overly large ones are Error(data) naming the file; other kinds of image are
// refused by name.
#pragma once

#include <string>

#include "core/file.h"
#include "core/tensor.h"
#include "data/resize.h"

namespace weft::data {

inline constexpr std::int64_t kMostPixels = std::int64_t{1} << 26;  // of a photo: 8192 x 8192

WEFT_API bool can_read_images();  // whether this build has libjpeg and libpng; without them reading is Error(usage)
WEFT_API Tensor read_image(const std::string& path);  // u8 (3, H, W), contiguous on the CPU
WEFT_API Tensor read_image(const ByteSource& source);

// What weights trained on photos expect: the shorter side resized, the centre cut out, then (x / 255 - mean) / std.
struct Preprocessing {
  int resize = 256;  // the shorter side becomes this long; 0: the whole image becomes the square
  int crop = 224;    // height and width of the result
  float mean[3] = {0, 0, 0};
  float std[3] = {1, 1, 1};
  ResizeFilter filter = ResizeFilter::triangle;
  bool grey = false;  // one channel: ITU-R 601 luma, as Pillow's convert("L"); mean[0] and std[0] hold
};

// pixels u8 (3, H, W) -> f32 (3, crop, crop), or (1, crop, crop) when grey: torchvision's Resize (on bytes),
// CenterCrop, ToTensor and Normalize.
WEFT_API Tensor preprocess(const Tensor& pixels, const Preprocessing& wanted);

}  // namespace weft::data
