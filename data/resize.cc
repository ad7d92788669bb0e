#include "data/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"

namespace weft::data {
namespace {

constexpr int kWeightBits = 22;

std::uint8_t rounded(std::int64_t sum) {
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>((sum + (1 << (kWeightBits - 1))) >> kWeightBits, 0, 255));
}

}  // namespace

Resize::Axis::Axis(int old_size, int wanted) : size(old_size), new_size(wanted) {
  require(size > 0 && new_size > 0, "resize", "sizes must be positive, got ", size, " to ", new_size);
  if (size == new_size) return;
  const double scale = static_cast<double>(size) / new_size;
  const double support = std::max(scale, 1.0);
  taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  weights.assign(static_cast<std::size_t>(new_size) * static_cast<std::size_t>(taps), 0);
  std::vector<double> exact(static_cast<std::size_t>(taps));
  for (int i = 0; i < new_size; ++i) {
    const double centre = (i + 0.5) * scale;
    const int begin = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int n = std::min(static_cast<int>(centre + support + 0.5), size) - begin;
    double total = 0;
    for (int k = 0; k < n; ++k) {
      exact[static_cast<std::size_t>(k)] = std::max(0.0, 1.0 - std::abs((begin + k - centre + 0.5) * (1.0 / support)));
      total += exact[static_cast<std::size_t>(k)];
    }
    first.push_back(begin);
    count.push_back(n);
    for (int k = 0; k < n; ++k) {
      weights[static_cast<std::size_t>(i * taps + k)] =
          static_cast<std::int32_t>(0.5 + exact[static_cast<std::size_t>(k)] / total * (1 << kWeightBits));
    }
  }
}

Resize::Resize(int height, int width, int new_height, int new_width)
    : vertical_(height, new_height), horizontal_(width, new_width) {}

void Resize::plane(const std::uint8_t* x, std::uint8_t* y) const {
  const int height = vertical_.size, width = horizontal_.size;
  const int new_height = vertical_.new_size, new_width = horizontal_.new_size;
  // Rows first, rounded to bytes as Pillow does, then columns.
  std::vector<std::uint8_t> wide(static_cast<std::size_t>(height) * static_cast<std::size_t>(new_width));
  if (width == new_width) {
    std::memcpy(wide.data(), x, wide.size());
  } else {
    for (int row = 0; row < height; ++row) {
      for (int i = 0; i < new_width; ++i) {
        const std::int32_t* weight = horizontal_.weights.data() + i * horizontal_.taps;
        const std::uint8_t* from = x + row * width + horizontal_.first[static_cast<std::size_t>(i)];
        std::int64_t sum = 0;
        for (int k = 0; k < horizontal_.count[static_cast<std::size_t>(i)]; ++k) sum += std::int64_t{weight[k]} * from[k];
        wide[static_cast<std::size_t>(row * new_width + i)] = rounded(sum);
      }
    }
  }
  if (height == new_height) {
    std::memcpy(y, wide.data(), wide.size());
    return;
  }
  for (int i = 0; i < new_height; ++i) {
    const std::int32_t* weight = vertical_.weights.data() + i * vertical_.taps;
    const std::uint8_t* from = wide.data() + vertical_.first[static_cast<std::size_t>(i)] * new_width;
    for (int column = 0; column < new_width; ++column) {
      std::int64_t sum = 0;
      for (int k = 0; k < vertical_.count[static_cast<std::size_t>(i)]; ++k) {
        sum += std::int64_t{weight[k]} * from[k * new_width + column];
      }
      y[i * new_width + column] = rounded(sum);
    }
  }
}

}  // namespace weft::data
