#include "data/resize.h"

#include "core/npy.h"
#include "data/dataset.h"
#include "tests/catch.h"

namespace weft::data {
namespace {

constexpr int kHeight = 28, kWidth = 20;

std::vector<std::uint8_t> image() {
  std::vector<std::uint8_t> pixels;
  for (int row = 0; row < kHeight; ++row) {
    for (int column = 0; column < kWidth; ++column) {
      pixels.push_back(static_cast<std::uint8_t>(row * row * 7 + column * 31 + row * column));
    }
  }
  return pixels;
}

}  // namespace

TEST_CASE("resizing gives Pillow's bytes, larger and smaller, by both filters") {
  for (const auto& [height, width] : {std::pair(64, 64), {28, 9}, {11, 20}, {33, 5}}) {
    std::vector<std::uint8_t> y(static_cast<std::size_t>(height * width));
    for (const auto& [prefix, filter] : {std::pair("", ResizeFilter::triangle), {"cubic_", ResizeFilter::cubic}}) {
      INFO(prefix << height << "x" << width);
      Resize(kHeight, kWidth, height, width, filter).plane(image().data(), y.data());
      const Tensor expected = read_npy(message("tests/golden/files/resized_", prefix, height, "x", width, ".npy"));
      const std::span<const std::uint8_t> golden = expected.values<std::uint8_t>();
      CHECK(y == std::vector<std::uint8_t>(golden.begin(), golden.end()));
    }
  }
  std::vector<std::uint8_t> same(kHeight * kWidth);
  Resize(kHeight, kWidth, kHeight, kWidth).plane(image().data(), same.data());
  CHECK(same == image());
}

TEST_CASE("an image set gives bytes / 255 in NCHW and i64 labels, resized when asked", "[L11]") {
  const Tensor images = empty({40, 1, kHeight, kWidth}, {.dtype = DType::u8});
  const std::vector<std::uint8_t> one = image();
  const std::span<std::uint8_t> bytes = images.values<std::uint8_t>();
  for (std::size_t i = 0; i < 40; ++i) {
    for (std::size_t k = 0; k < one.size(); ++k) bytes[i * one.size() + k] = static_cast<std::uint8_t>(one[k] + i);
  }
  const Tensor labels = arange(40, {.dtype = DType::i64});
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < 32; ++i) indices.push_back(39 - i);

  const Batch plain = ImageSet(images, labels).batch(indices);
  CHECK(plain.input.shape() == Shape{32, 1, kHeight, kWidth});
  const auto expected = static_cast<float>(static_cast<std::uint8_t>(one[5] + 37)) / 255;
  CHECK(plain.input.values<float>()[2 * one.size() + 5] == expected);
  CHECK(plain.target.values<std::int64_t>()[2] == 37);

  const Batch resized = ImageSet(images, labels, 64).batch(indices);
  CHECK(resized.input.shape() == Shape{32, 1, 64, 64});
  CHECK(resized.input.dtype() == DType::f32);
  CHECK(resized.target.shape() == Shape{32});
  CHECK(resized.target.dtype() == DType::i64);
  const Tensor golden = read_npy("tests/golden/files/resized_64x64.npy");
  const std::int64_t zero[] = {0};
  const Batch first = ImageSet(images, labels, 64).batch(zero);
  for (std::size_t k = 0; k < 64 * 64; ++k) {
    REQUIRE(first.input.values<float>()[k] == static_cast<float>(golden.values<std::uint8_t>()[k]) / 255);
  }
  CHECK_THROWS_AS(ImageSet(images, zeros({40})), Error);
  CHECK_THROWS_AS(ImageSet(images, arange(39, {.dtype = DType::i64})), Error);
  CHECK_THROWS_AS(ImageSet(images.to(DType::f32), labels), Error);
  CHECK_THROWS_AS(ImageSet(images, labels, -1), Error);
}

TEST_CASE("images that lie on a device give the same batches, bit for bit", "[L11]") {
  const Tensor images = empty({3, 2, kHeight, kWidth}, {.dtype = DType::u8});
  const std::vector<std::uint8_t> one = image();
  const std::span<std::uint8_t> bytes = images.values<std::uint8_t>();
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(one[i % one.size()] + 41 * (i / one.size()));
  const Tensor labels = tensor({3}, {7, 0, 5}, {.dtype = DType::i64});
  const std::vector<std::int64_t> indices = {2, 0, 2, 1};
  for (const int size : {0, 40}) {
    const ImageSet held(images, labels, size);
    const DeviceImageSet there(held, Device{});
    CHECK(there.size() == 3);
    const Batch expected = held.batch(indices), batch = there.batch(indices);
    CHECK(batch.input.shape() == expected.input.shape());
    CHECK(batch.input.to_vector() == expected.input.to_vector());
    CHECK(batch.target.to_vector() == expected.target.to_vector());
    CHECK(there.sample(1).input.to_vector() == held.sample(1).input.to_vector());
    CHECK_THROWS_AS(there.batch(std::vector<std::int64_t>{3}), Error);
  }
}

}  // namespace weft::data
