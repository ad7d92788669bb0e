#include "data/idx.h"

#include <algorithm>
#include <utility>

#include "data/inflate.h"

namespace weft::data {
namespace {

std::uint32_t big_endian(std::span<const std::byte, 4> bytes) {
  std::uint32_t value = 0;
  for (const std::byte b : bytes) value = value << 8 | std::to_integer<std::uint32_t>(b);
  return value;
}

Shape read_shape(InflatingReader& stream, int rank) {
  Shape shape;
  for (int axis = 0; axis < rank; ++axis) {
    std::byte size[4];
    stream.read_exactly(size, message("the size of axis ", axis));
    shape.push_back(big_endian(size));
  }
  // A damaged size must not become a wild allocation: deflate shrinks at most 1032-fold.
  constexpr std::uint64_t kDeflateLimit = 1032;
  const std::uint64_t limit = (stream.left() + 1024) * kDeflateLimit;
  std::uint64_t values = 1;
  for (const std::int64_t size : shape) {
    const auto factor = static_cast<std::uint64_t>(std::max<std::int64_t>(size, 1));
    require_data(values <= limit / factor, stream.name(), "offset 4: expected values for ", shape,
                 ", the file is too short for them");
    values *= factor;
  }
  return shape;
}

}  // namespace

Tensor read_idx(const std::string& path) { return read_idx(ByteSource(path)); }

Tensor read_idx(ByteSource file) {
  InflatingReader stream(std::move(file));
  const std::string& name = stream.name();
  std::byte magic[4];
  stream.read_exactly(magic, "the magic number of an idx file");
  constexpr int kUnsignedByte = 0x08;
  const int type = std::to_integer<int>(magic[2]), rank = std::to_integer<int>(magic[3]);
  require_data(magic[0] == std::byte{0} && magic[1] == std::byte{0}, name,
               "offset 0: expected an idx file (two zero bytes first), found ", big_endian(magic));
  require_data(type == kUnsignedByte, name, "offset 2: expected type 8 (unsigned bytes), found ", type);
  require_data(rank >= 1 && rank <= kMaxRank, name, "offset 3: expected 1 to ", kMaxRank, " axes, found ", rank);
  const Shape shape = read_shape(stream, rank);
  Tensor values = empty(shape, {.dtype = DType::u8});
  stream.read_exactly(std::as_writable_bytes(values.values<std::uint8_t>()), message("the values of ", shape));
  stream.expect_end();
  return values;
}

IdxImages read_idx_images(const std::string& images_path, const std::string& labels_path, int classes) {
  const Tensor images = read_idx(images_path);
  const Tensor bytes = read_idx(labels_path);
  require_data(images.rank() == 3, images_path, "offset 3: expected 3 axes (images, rows, columns), found ",
               images.rank());
  require_data(bytes.rank() == 1, labels_path, "offset 3: expected 1 axis (labels), found ", bytes.rank());
  require_data(images.elements() > 0, images_path, "offset 4: expected at least one pixel, found ", images.shape());
  require_data(bytes.size(0) == images.size(0), labels_path, "offset 4: expected ", images.size(0),
               " labels, as many as images in ", images_path, ", found ", bytes.size(0));
  const Tensor labels = empty({bytes.size(0)}, {.dtype = DType::i64});
  const std::span<const std::uint8_t> from = bytes.values<std::uint8_t>();
  const std::span<std::int64_t> to = labels.values<std::int64_t>();
  for (std::size_t i = 0; i < from.size(); ++i) {
    constexpr std::size_t kLabelHeader = 8;
    require_data(from[i] < classes, labels_path, "offset ", kLabelHeader + i, ": expected a label in [0, ", classes,
                 "), found ", static_cast<int>(from[i]));
    to[i] = from[i];
  }
  return {images.unsqueeze(1), labels};
}

}  // namespace weft::data
