// The decoders behind read_image(): each takes the bytes of a file of its kind and gives u8 (H, W, 3). The C libraries
// report errors by longjmp; it never passes a frame that owns anything.
#pragma once

#include <span>
#include <string>

#include "core/tensor.h"

namespace weft::data {

Tensor decode_jpeg(std::span<const std::byte> bytes, const std::string& file);
Tensor decode_png(std::span<const std::byte> bytes, const std::string& file);

// Error(data) unless the sides are positive and the picture has at most kMostPixels.
void check_image_size(std::uint64_t height, std::uint64_t width, const std::string& file);

}  // namespace weft::data
