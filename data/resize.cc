#include "data/resize.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace weft::data {
namespace {

constexpr int kWeightBits = 22;

std::uint8_t rounded(std::int64_t sum) {
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>((sum + (1 << (kWeightBits - 1))) >> kWeightBits, 0, 255));
}

// From the middle to where it becomes 0, in steps of the coarser grid.
double reach(ResizeFilter filter) { return filter == ResizeFilter::cubic ? 2.0 : 1.0; }

// What a pixel at this distance counts.
double weight_at(ResizeFilter filter, double distance) {
  const double x = std::abs(distance);
  if (x >= reach(filter)) return 0;
  if (filter == ResizeFilter::triangle) return 1 - x;
  return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : -0.5 * (((x - 5) * x + 8) * x - 4);
}

// In units of 2^-22, halves away from zero.
std::int32_t in_fixed_point(double weight) {
  return static_cast<std::int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kWeightBits));
}

}  // namespace

Resize::Axis::Axis(int old_size, int wanted, ResizeFilter filter) : size(old_size), new_size(wanted) {
  require(size > 0 && new_size > 0, "resize", "sizes must be positive, got ", size, " to ", new_size);
  if (size == new_size) return;
  const double scale = static_cast<double>(size) / new_size;
  const double step = std::max(scale, 1.0), support = step * reach(filter);
  taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  weights.assign(static_cast<std::size_t>(new_size) * static_cast<std::size_t>(taps), 0);
  std::vector<double> exact(static_cast<std::size_t>(taps));
  for (int i = 0; i < new_size; ++i) {
    const double centre = (i + 0.5) * scale;
    const int begin = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int n = std::min(static_cast<int>(centre + support + 0.5), size) - begin;
    double total = 0;
    for (int k = 0; k < n; ++k) {
      exact[static_cast<std::size_t>(k)] = weight_at(filter, (begin + k - centre + 0.5) * (1.0 / step));
      total += exact[static_cast<std::size_t>(k)];
    }
    first.push_back(begin);
    count.push_back(n);
    for (int k = 0; k < n; ++k) {
      weights[static_cast<std::size_t>(i * taps + k)] = in_fixed_point(exact[static_cast<std::size_t>(k)] / total);
    }
  }
}

Resize::Resize(int height, int width, int new_height, int new_width, ResizeFilter filter)
    : vertical_(height, new_height, filter), horizontal_(width, new_width, filter) {}

void Resize::plane(const std::uint8_t* x, std::uint8_t* y) const {
  const int height = vertical_.size, width = horizontal_.size, new_width = horizontal_.new_size;
  // Rows first, rounded to bytes as Pillow does, then columns.
  std::vector<std::uint8_t> wide(static_cast<std::size_t>(height) * static_cast<std::size_t>(new_width));
  for (int row = 0; row < height; ++row) horizontal_.apply(x + row * width, 1, wide.data() + row * new_width, 1);
  for (int column = 0; column < new_width; ++column) {
    vertical_.apply(wide.data() + column, new_width, y + column, new_width);
  }
}

void Resize::Axis::apply(const std::uint8_t* x, int x_step, std::uint8_t* y, int y_step) const {
  for (int i = 0; i < new_size; ++i) {
    if (taps == 0) {
      y[i * y_step] = x[i * x_step];
      continue;
    }
    const std::int32_t* weight = weights.data() + i * taps;
    const int begin = first[static_cast<std::size_t>(i)], n = count[static_cast<std::size_t>(i)];
    std::int64_t sum = 0;
    for (int k = 0; k < n; ++k) sum += std::int64_t{weight[k]} * x[(begin + k) * x_step];
    y[i * y_step] = rounded(sum);
  }
}

}  // namespace weft::data
