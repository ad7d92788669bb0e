#include "data/shapes.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "core/parallel.h"

namespace weft::data {
namespace {

// Lengths are in sixteenths of a pixel; figures are given in a box of +-64 and scaled to their radius.
constexpr int kUnit = 16;
constexpr int kBox = 64;

struct Point {
  int x, y;
};
using Path = std::vector<Point>;  // consecutive points are joined by strokes

const std::vector<Path>& figure(int label) {
  static const std::vector<Path> figures[kShapesClasses] = {
      {{{-64, 0}, {64, 0}}},
      {{{-44, -58}, {-44, 46}, {50, 46}}},
      {{{-58, -50}, {58, -50}}, {{0, -50}, {0, 62}}},
      {{{-60, 0}, {60, 0}}, {{0, -60}, {0, 60}}},
      {{{0, -60}, {58, 44}, {-58, 44}, {0, -60}}},
      {{{-48, -48}, {48, -48}, {48, 48}, {-48, 48}, {-48, -48}}},
      {{{58, 0},
        {50, 29},
        {29, 50},
        {0, 58},
        {-29, 50},
        {-50, 29},
        {-58, 0},
        {-50, -29},
        {-29, -50},
        {0, -58},
        {29, -50},
        {50, -29},
        {58, 0}}},
      {{{-50, -48}, {50, -48}, {-50, 48}, {50, 48}}},
      {{{-46, -58}, {0, 0}, {46, -58}}, {{0, 0}, {0, 62}}},
      {{{-62, -44}, {0, -44}, {0, 44}, {62, 44}}},
  };
  return figures[label];
}

// Random integers of one image, drawn one after the other.
class Draws {
 public:
  static constexpr std::uint64_t kBlocksPerImage = 128;

  Draws(RandomStream stream, std::uint64_t index) : stream_(stream), block_(index * kBlocksPerImage) {}
  std::uint32_t word() {
    if (used_ == 4) words_ = random_block(stream_, block_++), used_ = 0;
    return words_.word[used_++];
  }
  int between(int low, int high) {  // both included
    return low + static_cast<int>(below_from(word(), static_cast<std::uint32_t>(high - low + 1)));
  }

 private:
  RandomStream stream_;
  std::uint64_t block_;
  Philox4 words_ = {};
  int used_ = 4;
};

constexpr int kSineOne = 4096;

// kSineOne * sin(degrees), by Bhaskara's formula 4 a (180 - a) / (40500 - a (180 - a)), off by at most 0.0017.
int sine(int degrees) {
  degrees = ((degrees % 360) + 360) % 360;
  const int a = degrees % 180;
  const int value = kSineOne * 4 * a * (180 - a) / (40500 - a * (180 - a));
  return degrees < 180 ? value : -value;
}

class Canvas {
 public:
  Canvas(std::span<std::uint8_t> pixels, int background) : pixels_(pixels) {
    std::fill(pixels_.begin(), pixels_.end(), static_cast<std::uint8_t>(background));
  }

  // A stroke with round ends from a to b; a pixel takes the brighter of what it has and ink * coverage.
  void stroke(Point a, Point b, int half_width, int ink) {
    const int reach = half_width + kUnit / 2;
    const std::int64_t outer = reach * reach;
    const std::int64_t inner = (half_width - kUnit / 2) * (half_width - kUnit / 2);
    const int dx = b.x - a.x, dy = b.y - a.y;
    const std::int64_t length2 = dx * dx + dy * dy;
    const auto [left, right] = pixel_range(std::min(a.x, b.x) - reach, std::max(a.x, b.x) + reach);
    const auto [top, bottom] = pixel_range(std::min(a.y, b.y) - reach, std::max(a.y, b.y) + reach);
    for (int row = top; row < bottom; ++row) {
      for (int column = left; column < right; ++column) {
        const int x = column * kUnit + kUnit / 2 - a.x, y = row * kUnit + kUnit / 2 - a.y;
        const std::int64_t along = x * dx + y * dy;
        const std::int64_t across = x * dy - y * dx;
        std::int64_t distance2;  // of the pixel's centre to the stroke's middle line
        if (along <= 0) {
          distance2 = x * x + y * y;
        } else if (along >= length2) {
          distance2 = (x - dx) * (x - dx) + (y - dy) * (y - dy);
        } else {
          if (across * across >= outer * length2) continue;
          distance2 = across * across / length2;
        }
        if (distance2 >= outer) continue;
        const std::int64_t covered = std::min<std::int64_t>(outer - distance2, outer - inner);
        const auto value = static_cast<std::uint8_t>(ink * covered / (outer - inner));
        std::uint8_t& pixel = pixels_[static_cast<std::size_t>(row * kShapesSize + column)];
        pixel = std::max(pixel, value);
      }
    }
  }

  // Adds a triangular noise of at most +-amplitude to every pixel.
  void noise(Draws& draws, int amplitude) {
    for (std::size_t i = 0; i < pixels_.size(); i += 2) {
      const std::uint32_t word = draws.word();
      for (std::size_t k = 0; k < 2; ++k) {
        const int two_bytes = static_cast<int>((word >> (16 * k) & 255u) + (word >> (16 * k + 8) & 255u));
        const int value = pixels_[i + k] + (two_bytes - 255) * amplitude / 256;
        pixels_[i + k] = static_cast<std::uint8_t>(std::clamp(value, 0, 255));
      }
    }
  }

 private:
  // The pixels whose centres lie in [low, high], cut to the image.
  static std::pair<int, int> pixel_range(int low, int high) {
    const int size = kShapesSize * kUnit;
    return {std::clamp(low, 0, size) / kUnit, std::min((std::clamp(high, 0, size) + kUnit - 1) / kUnit, kShapesSize)};
  }

  std::span<std::uint8_t> pixels_;
};

void draw_clutter(Canvas& canvas, Draws& draws) {
  const int strokes = draws.between(0, 3);
  for (int i = 0; i < strokes; ++i) {
    const Point a = {draws.between(0, kShapesSize * kUnit), draws.between(0, kShapesSize * kUnit)};
    const int length = draws.between(1 * kUnit, 5 * kUnit), degrees = draws.between(0, 359);
    const Point b = {a.x + length * sine(degrees + 90) / kSineOne, a.y + length * sine(degrees) / kSineOne};
    const int half_width = draws.between(9, 16);
    canvas.stroke(a, b, half_width, draws.between(60, 160));
  }
}

void draw_figure(Canvas& canvas, Draws& draws, int label) {
  const int radius = draws.between(7 * kUnit, 11 * kUnit);
  const int slack = 7 * kUnit / 2;
  const Point centre = {kShapesSize * kUnit / 2 + draws.between(-slack, slack),
                        kShapesSize * kUnit / 2 + draws.between(-slack, slack)};
  const int width = radius * draws.between(80, 100) / 100, height = radius * draws.between(80, 100) / 100;
  const int degrees = draws.between(-25, 25);
  const int half_width = draws.between(9, 22), ink = draws.between(160, 255);
  const auto place = [&](Point p) {
    const int x = p.x * width, y = p.y * height;  // in 1 / (16 * 64) pixels
    return Point{centre.x + (x * sine(degrees + 90) / kSineOne - y * sine(degrees) / kSineOne) / kBox,
                 centre.y + (x * sine(degrees) / kSineOne + y * sine(degrees + 90) / kSineOne) / kBox};
  };
  for (const Path& path : figure(label)) {
    for (std::size_t i = 0; i + 1 < path.size(); ++i) {
      canvas.stroke(place(path[i]), place(path[i + 1]), half_width, ink);
    }
  }
}

}  // namespace

int draw_shape(RandomStream stream, std::uint64_t index, std::span<std::uint8_t> pixels) {
  require(pixels.size() == kShapesSize * kShapesSize, "draw_shape", "needs room for ", kShapesSize * kShapesSize,
          " pixels, got ", pixels.size());
  Draws draws(stream, index);
  const int label = draws.between(0, kShapesClasses - 1);
  Canvas canvas(pixels, draws.between(0, 30));
  draw_clutter(canvas, draws);
  draw_figure(canvas, draws, label);
  canvas.noise(draws, draws.between(10, 50));
  return label;
}

std::shared_ptr<const ImageSet> shapes(std::uint64_t seed, std::int64_t first, std::int64_t samples, int image_size) {
  require(first >= 0 && samples >= 1, "shapes", "needs at least one sample, got ", samples);
  constexpr std::int64_t kPixels = kShapesSize * kShapesSize;
  const Tensor images = empty({samples, 1, kShapesSize, kShapesSize}, {.dtype = DType::u8});
  const Tensor labels = empty({samples}, {.dtype = DType::i64});
  const std::span<std::uint8_t> pixels = images.values<std::uint8_t>();
  const std::span<std::int64_t> classes = labels.values<std::int64_t>();
  const RandomStream stream = {seed, stream_number(RandomPurpose::synthetic, 0)};
  parallel_for(samples, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::span<std::uint8_t> image = pixels.subspan(static_cast<std::size_t>(i * kPixels), kPixels);
      classes[static_cast<std::size_t>(i)] = draw_shape(stream, static_cast<std::uint64_t>(first + i), image);
    }
  });
  return std::make_shared<const ImageSet>(images, labels, image_size);
}

}  // namespace weft::data
