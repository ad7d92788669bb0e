#include "data/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"

namespace weft::data {

namespace {

constexpr std::size_t kInputBytes = std::size_t{1} << 17;

}  // namespace

struct InflatingReader::Inflater {
  z_stream stream = {};
  std::vector<std::byte> input = std::vector<std::byte>(kInputBytes);
  Inflater() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    ensure(inflateInit2(&stream, kGzipOnly) == Z_OK, "zlib refuses to start");
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream); }
};

InflatingReader::InflatingReader(ByteSource file) : file_(std::move(file)) {
  std::byte start[2] = {};
  if (file_.bytes() >= sizeof start) file_.read(0, start);
  const bool zipped = start[0] == std::byte{0x1f} && start[1] == std::byte{0x8b};
  if (zipped) inflater_ = std::make_unique<Inflater>();
}

InflatingReader::~InflatingReader() = default;

std::size_t InflatingReader::read(std::span<std::byte> to) {
  const std::size_t got = inflater_ ? inflate_into(to) : copy_into(to);
  offset_ += got;
  return got;
}

void InflatingReader::read_exactly(std::span<std::byte> to, const std::string& what) {
  const std::uint64_t begin = offset_;
  const std::size_t got = read(to);
  require_data(got == to.size(), name(), "offset ", begin + got, ": expected ", what, " (", to.size(),
               " bytes from offset ", begin, "), the data ends after ", got);
}

void InflatingReader::expect_end() {
  std::byte extra;
  const std::uint64_t end = offset_;
  require_data(read(std::span(&extra, 1)) == 0, name(), "offset ", end, ": expected the end of the data, found more");
  require_data(!inflater_ || ended_, name(), "offset ", end, ": expected the end of the gzip stream and its checksum, ",
               "the file ends after ", file_.bytes(), " bytes");
  require_data(left() == 0, name(), "offset ", end, ": expected the end of the file, found ", left(),
               " bytes after the gzip stream");
}

std::size_t InflatingReader::copy_into(std::span<std::byte> to) {
  const std::size_t n = std::min<std::uint64_t>(to.size(), left());
  file_.read(used_, to.first(n));
  used_ += n;
  return n;
}

std::size_t InflatingReader::inflate_into(std::span<std::byte> to) {
  constexpr std::size_t kCallBytes = std::size_t{1} << 30;  // zlib counts in 32 bits
  z_stream& stream = inflater_->stream;
  std::size_t got = 0;
  while (got < to.size() && !ended_) {
    if (stream.avail_in == 0) {
      const std::span input = std::span(inflater_->input).first(std::min<std::uint64_t>(kInputBytes, left()));
      file_.read(used_, input);
      stream.next_in = reinterpret_cast<Bytef*>(input.data());
      stream.avail_in = static_cast<uInt>(input.size());
    }
    stream.next_out = reinterpret_cast<Bytef*>(to.data() + got);
    stream.avail_out = static_cast<uInt>(std::min(to.size() - got, kCallBytes));
    const uInt given = stream.avail_in, wanted = stream.avail_out;
    const int status = inflate(&stream, Z_NO_FLUSH);
    used_ += given - stream.avail_in;
    got += wanted - stream.avail_out;
    ended_ = status == Z_STREAM_END;
    if (status == Z_BUF_ERROR) return got;  // the compressed data ends too early
    require_data(status == Z_OK || ended_, name(), "offset ", offset_ + got, ": expected valid gzip data, zlib says ",
                 stream.msg != nullptr ? stream.msg : "it is damaged", " near byte ", used_, " of the file");
  }
  return got;
}

}  // namespace weft::data
