#include "data/idx.h"

#include <zlib.h>

#include <algorithm>
#include <vector>

#include "core/file.h"

namespace weft::data {
namespace {

constexpr std::size_t kCallBytes = std::size_t{1} << 30;  // zlib counts in 32 bits

// The bytes of an idx file one after the other, inflated on the way when they are gzipped.
class Stream {
 public:
  Stream(std::span<const std::byte> file, const std::string& name) : file_(file), name_(name) {
    zipped_ = file.size() >= 2 && file[0] == std::byte{0x1f} && file[1] == std::byte{0x8b};
    if (!zipped_) return;
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    ensure(inflateInit2(&inflater_, kGzipOnly) == Z_OK, "zlib refuses to start");
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() {
    if (zipped_) inflateEnd(&inflater_);
  }

  std::uint64_t offset() const { return offset_; }
  std::uint64_t left() const { return file_.size() - read_; }  // compressed or plain bytes not yet read

  // As many of the next bytes as there are.
  std::size_t read(std::span<std::byte> to) {
    const std::size_t got = zipped_ ? inflate_into(to) : copy_into(to);
    offset_ += got;
    return got;
  }
  void read_exactly(std::span<std::byte> to, const std::string& what) {
    const std::uint64_t begin = offset_;
    const std::size_t got = read(to);
    require_data(got == to.size(), name_, "offset ", begin + got, ": expected ", what, " (", to.size(),
                 " bytes from offset ", begin, "), the data ends after ", got);
  }
  void expect_end() {
    std::byte extra;
    const std::uint64_t end = offset_;
    require_data(read(std::span(&extra, 1)) == 0, name_, "offset ", end, ": expected the end of the data, found more");
    require_data(!zipped_ || ended_, name_, "offset ", end, ": expected the end of the gzip stream and its checksum, ",
                 "the file ends after ", file_.size(), " bytes");
    require_data(left() == 0, name_, "offset ", end, ": expected the end of the file, found ", left(),
                 " bytes after the gzip stream");
  }

 private:
  std::size_t copy_into(std::span<std::byte> to) {
    const std::size_t n = std::min(to.size(), file_.size() - read_);
    std::copy_n(file_.begin() + static_cast<std::ptrdiff_t>(read_), n, to.begin());
    read_ += n;
    return n;
  }

  std::size_t inflate_into(std::span<std::byte> to) {
    std::size_t got = 0;
    while (got < to.size() && !ended_) {
      const std::span<const std::byte> input = file_.subspan(read_);
      inflater_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input.data()));  // zlib only reads it
      inflater_.avail_in = static_cast<uInt>(std::min(input.size(), kCallBytes));
      inflater_.next_out = reinterpret_cast<Bytef*>(to.data() + got);
      inflater_.avail_out = static_cast<uInt>(std::min(to.size() - got, kCallBytes));
      const uInt given = inflater_.avail_in, wanted = inflater_.avail_out;
      const int status = inflate(&inflater_, Z_NO_FLUSH);
      read_ += given - inflater_.avail_in;
      got += wanted - inflater_.avail_out;
      ended_ = status == Z_STREAM_END;
      if (status == Z_BUF_ERROR) return got;  // the compressed data ends too early
      require_data(status == Z_OK || ended_, name_, "offset ", offset_ + got, ": expected valid gzip data, zlib says ",
                   inflater_.msg != nullptr ? inflater_.msg : "it is damaged", " near byte ", read_, " of the file");
    }
    return got;
  }

  std::span<const std::byte> file_;
  const std::string& name_;
  bool zipped_ = false, ended_ = false;
  z_stream inflater_ = {};
  std::size_t read_ = 0;       // bytes of the file used
  std::uint64_t offset_ = 0;   // bytes given
};

std::uint32_t big_endian(std::span<const std::byte, 4> bytes) {
  std::uint32_t value = 0;
  for (const std::byte b : bytes) value = value << 8 | std::to_integer<std::uint32_t>(b);
  return value;
}

Shape read_shape(Stream& stream, int rank, const std::string& name) {
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
    require_data(values <= limit / factor, name, "offset 4: expected values for ", shape,
                 ", the file is too short for them");
    values *= factor;
  }
  return shape;
}

}  // namespace

Tensor parse_idx(std::span<const std::byte> file, const std::string& name) {
  Stream stream(file, name);
  std::byte magic[4];
  stream.read_exactly(magic, "the magic number of an idx file");
  constexpr int kUnsignedByte = 0x08;
  const int type = std::to_integer<int>(magic[2]), rank = std::to_integer<int>(magic[3]);
  require_data(magic[0] == std::byte{0} && magic[1] == std::byte{0}, name,
               "offset 0: expected an idx file (two zero bytes first), found ", big_endian(magic));
  require_data(type == kUnsignedByte, name, "offset 2: expected type 8 (unsigned bytes), found ", type);
  require_data(rank >= 1 && rank <= kMaxRank, name, "offset 3: expected 1 to ", kMaxRank, " axes, found ", rank);
  const Shape shape = read_shape(stream, rank, name);
  Tensor values = empty(shape, {.dtype = DType::u8});
  stream.read_exactly(std::as_writable_bytes(values.values<std::uint8_t>()), message("the values of ", shape));
  stream.expect_end();
  return values;
}

Tensor read_idx(const std::string& path) {
  const ByteSource source(path);
  return parse_idx(source.read_all(), path);
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
