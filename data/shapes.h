// shapes: a data set that weft draws itself, for machines without a network. 28 x 28 grey images of ten figures at
// random places, sizes, angles and stroke widths, over clutter and noise. Each image is a pure function of
// (seed, index), computed in integers, so it has the same bytes on every machine.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "core/random.h"
#include "data/dataset.h"

namespace weft::data {

inline constexpr int kShapesSize = 28;  // pixels of a side
inline constexpr int kShapesClasses = 10;
inline constexpr std::array<const char*, kShapesClasses> kShapesNames = {
    "bar", "angle", "tee", "plus", "triangle", "square", "circle", "zigzag", "fork", "stairs"};

// Draws image `index` of the stream into kShapesSize * kShapesSize bytes and returns its class.
WEFT_API int draw_shape(RandomStream stream, std::uint64_t index, std::span<std::uint8_t> pixels);

// Images first, first + 1, … of the seed. Different ranges do not overlap, so they can serve as splits.
WEFT_API std::shared_ptr<const ImageSet> shapes(std::uint64_t seed, std::int64_t first, std::int64_t samples,
                                                int image_size = 0);

}  // namespace weft::data
