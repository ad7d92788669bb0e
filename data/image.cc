#include "data/image.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "data/image_decoders.h"
#include "data/resize.h"

namespace weft::data {
namespace {

constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 28;

struct Kind {
  std::string_view start;  // of the file
  const char* name;
};
constexpr std::string_view kJpeg = "\xff\xd8\xff", kPng = "\x89PNG\r\n\x1a\n";
constexpr Kind kOtherKinds[] = {{"GIF8", "GIF"},    {"RIFF", "WebP"}, {"BM", "BMP"},
                                {"II*", "TIFF"},    {"MM", "TIFF"},   {"\x93NUMPY", ".npy file (use --input)"},
                                {"PK", "zip file"}, {"%PDF", "PDF"},  {"<", "SVG or web page"}};

// The size of the picture with its shorter side resized; torchvision cuts the longer side to a whole number.
std::array<int, 2> resized(int height, int width, const Preprocessing& wanted) {
  if (wanted.resize == 0) return {wanted.crop, wanted.crop};
  const std::int64_t shorter = std::min(height, width), longer = std::max(height, width);
  const std::int64_t new_longer = wanted.resize * longer / shorter;
  require_data(new_longer <= 4 * kLargestImage, "image", "a picture of ", height, " x ", width,
               " is too thin to be resized to ", wanted.resize);
  const int long_side = static_cast<int>(new_longer);
  return height <= width ? std::array{wanted.resize, long_side} : std::array{long_side, wanted.resize};
}

// Where the centre begins: half of what is left, halves to the even number, as Python's round().
int crop_begin(int size, int crop) { return static_cast<int>(std::nearbyint((size - crop) / 2.0)); }

// (H, W, 3) -> (3, H, W)
Tensor planes(const Tensor& pixels) {
  const Tensor out = empty({3, pixels.size(0), pixels.size(1)}, {.dtype = DType::u8});
  const std::span<const std::uint8_t> x = pixels.values<std::uint8_t>();
  const std::span<std::uint8_t> y = out.values<std::uint8_t>();
  const std::size_t plane = y.size() / 3;
  for (std::size_t i = 0; i < plane; ++i)
    for (std::size_t c = 0; c < 3; ++c) y[c * plane + i] = x[3 * i + c];
  return out;
}

// Luma in 16-bit fixed point, as Pillow computes it. (3, H, W) -> (1, H, W)
Tensor luma(const Tensor& pixels) {
  const Tensor grey = empty({1, pixels.size(1), pixels.size(2)}, {.dtype = DType::u8});
  const std::span<const std::uint8_t> rgb = pixels.values<std::uint8_t>();
  const std::span<std::uint8_t> y = grey.values<std::uint8_t>();
  for (std::size_t i = 0, n = y.size(); i < n; ++i)
    y[i] = static_cast<std::uint8_t>((19595u * rgb[i] + 38470u * rgb[n + i] + 7471u * rgb[2 * n + i] + 32768u) >> 16);
  return grey;
}

}  // namespace

void check_image_size(std::uint64_t height, std::uint64_t width, const std::string& file) {
  const bool fits = height > 0 && width > 0 && height <= kMostPixels / width;
  require_data(fits, file, "expected an image of at most ", kMostPixels, " pixels, found ", height, " x ", width);
}

Tensor read_image(const ByteSource& source) {
  const std::string& file = source.name();
  require_data(source.bytes() > 0 && source.bytes() <= kLargestFile, file, "expected an image of 1 to ", kLargestFile,
               " bytes, found ", source.bytes());
  const std::vector<std::byte> bytes = source.read_all();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with(kJpeg)) return planes(decode_jpeg(bytes, file));
  if (text.starts_with(kPng)) return planes(decode_png(bytes, file));
  const auto other = std::ranges::find_if(kOtherKinds, [&](const Kind& kind) { return text.starts_with(kind.start); });
  fail(ErrorKind::data, file, "expected a JPEG or PNG image, found ",
       other == std::end(kOtherKinds) ? "something else" : message("a ", other->name));
}

Tensor read_image(const std::string& path) { return read_image(ByteSource(path)); }

Tensor preprocess(const Tensor& pixels, const Preprocessing& wanted) {
  require(pixels.dtype() == DType::u8 && pixels.rank() == 3 && pixels.size(0) == 3, "preprocess",
          "needs u8 (3, H, W), got ", pixels.dtype(), " ", pixels.shape());
  require(wanted.crop > 0 && wanted.crop <= kLargestImage && wanted.resize <= kLargestImage &&
              (wanted.resize == 0 || wanted.resize >= wanted.crop),
          "preprocess", "cannot cut ", wanted.crop, " out of ", wanted.resize);
  const Tensor x = wanted.grey ? luma(pixels) : pixels.contiguous();
  const int channels = static_cast<int>(x.size(0)), crop = wanted.crop;
  const int height = static_cast<int>(x.size(1)), width = static_cast<int>(x.size(2));
  const auto [new_height, new_width] = resized(height, width, wanted);
  const Resize resize(height, width, new_height, new_width, wanted.filter);
  const int top = crop_begin(new_height, crop), left = crop_begin(new_width, crop);
  std::vector<std::uint8_t> plane(static_cast<std::size_t>(new_height) * static_cast<std::size_t>(new_width));
  const Tensor out = empty({channels, crop, crop});
  float* y = out.data<float>();
  for (int c = 0; c < channels; ++c) {
    resize.plane(x.data<std::uint8_t>() + std::int64_t{c} * height * width, plane.data());
    for (int row = 0; row < crop; ++row) {
      const std::uint8_t* line = plane.data() + std::int64_t{top + row} * new_width + left;
      for (int column = 0; column < crop; ++column)
        *y++ = (static_cast<float>(line[column]) / 255.0f - wanted.mean[c]) / wanted.std[c];
    }
  }
  return out;
}

}  // namespace weft::data
