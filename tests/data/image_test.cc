#include "data/image.h"

#include <cmath>

#include "core/npy.h"
#include "tests/catch.h"

namespace weft::data {
namespace {

const std::string kGolden = "tests/golden/files/";

double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const std::vector<double> x = a.to_vector(), y = b.to_vector();
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) largest = std::max(largest, std::abs(x[i] - y[i]));
  return largest;
}

std::string complaint(const std::string& bytes) {
  try {
    read_image(ByteSource(std::as_bytes(std::span(bytes)), "f"));
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::data);
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    return error.what();
  }
  return "no error";
}

// Without libjpeg and libpng there is nothing to test.
bool nothing_to_read() {
  if (!can_read_images()) WARN("built without libjpeg and libpng: nothing to test");
  return !can_read_images();
}

std::string golden(const std::string& name) { return read_text_file(kGolden + name); }

// A PNG header for these sizes, with its checksum, and nothing behind it.
std::string png_header(const std::string& sizes, const std::string& crc) {
  return "\x89PNG\r\n\x1a\n" + std::string("\0\0\0\x0dIHDR", 8) + sizes + std::string("\x08\x02\0\0\0", 5) + crc;
}

}  // namespace

TEST_CASE("PNG files of every kind have Pillow's RGB bytes") {
  if (nothing_to_read()) return;
  for (const char* name : {"rgb", "grey", "1bit", "palette", "alpha", "grey_alpha", "16bit"}) {
    INFO(name);
    const std::string file = kGolden + "photo_" + name + ".png";
    CHECK(largest_difference(read_image(file), read_npy(file + ".npy")) == 0);
  }
}

TEST_CASE("JPEG files of every kind have Pillow's RGB bytes within one level") {
  if (nothing_to_read()) return;
  for (const char* name : {"rgb", "progressive", "exif", "grey", "cmyk"}) {
    INFO(name);
    const std::string file = kGolden + "photo_" + name + ".jpg";
    CHECK(largest_difference(read_image(file), read_npy(file + ".npy")) <= 1);
  }
}

TEST_CASE("photos become what torchvision's Resize, CenterCrop, ToTensor and Normalize make of them") {
  if (nothing_to_read()) return;
  Preprocessing wanted{.mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}};
  for (const auto& [name, resize, crop] :
       {std::tuple{"wide", 40, 32}, {"tall", 23, 20}, {"odd", 25, 22}, {"cubic", 33, 29}}) {
    INFO(name);
    wanted.resize = resize, wanted.crop = crop;
    wanted.filter = name == std::string_view("cubic") ? ResizeFilter::cubic : ResizeFilter::triangle;
    const std::string file = kGolden + "shaped_" + name + ".png";
    constexpr double kLevel = 1.001 / 255 / 0.224;
    CHECK(largest_difference(preprocess(read_image(file), wanted), read_npy(file + ".npy")) < kLevel);
  }
}

TEST_CASE("without a recipe the whole image becomes a square in [0, 1], grey where asked") {
  const Tensor pixels = tensor({3, 1, 1}, {10, 100, 200}, {.dtype = DType::u8});
  const Tensor colour = preprocess(pixels, {.resize = 0, .crop = 2});
  CHECK(colour.shape() == Shape{3, 2, 2});
  CHECK(colour.to_vector()[4] == Approx(100 / 255.0));
  const Tensor grey = preprocess(pixels, {.resize = 0, .crop = 2, .grey = true});
  CHECK(grey.shape() == Shape{1, 2, 2});
  CHECK(grey.to_vector()[0] == Approx(std::round(0.299 * 10 + 0.587 * 100 + 0.114 * 200) / 255));
}

TEST_CASE("images cut off anywhere, damaged or of another kind are refused in one line") {
  if (nothing_to_read()) return;
  for (const char* name : {"photo_rgb.jpg", "photo_progressive.jpg", "photo_cmyk.jpg", "photo_rgb.png"}) {
    const std::string whole = golden(name);
    REQUIRE(complaint(whole) == "no error");
    const std::size_t trailer = std::string(name).ends_with("png") ? 12 : 2;  // the end mark
    for (std::size_t bytes = 0; bytes + trailer < whole.size(); bytes += 13)
      CHECK_THAT(complaint(whole.substr(0, bytes)), contains("f: "));
  }
  std::string damaged = golden("photo_rgb.png");
  damaged[damaged.size() / 2] ^= 1;
  CHECK_THAT(complaint(damaged), contains("the PNG image is damaged, libpng says: "));
  CHECK_THAT(complaint("GIF89a"), contains("expected a JPEG or PNG image, found a GIF"));
  CHECK_THAT(complaint("RIFF????WEBP"), contains("found a WebP"));
  CHECK_THAT(complaint("hello"), contains("found something else"));
}

TEST_CASE("a picture larger than memory should hold is refused before it is decoded") {
  if (nothing_to_read()) return;
  // 30000 x 30000, and its CRC-32.
  CHECK_THAT(complaint(png_header(std::string("\0\0\x75\x30\0\0\x75\x30", 8), "\xe9\x45\x6f\xed") +
                       std::string("\0\0\0\0IDAT\x35\xaf\x06\x1e", 12)),
             contains("expected an image of at most 67108864 pixels, found 30000 x 30000"));
  const Tensor thin = zeros({3, 1, 2000}, {.dtype = DType::u8});
  CHECK_THROWS_WITH(preprocess(thin, {}), contains("is too thin to be resized to 256"));
}

}  // namespace weft::data
