#include "data/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace weft::data {
namespace {

constexpr std::size_t kCallBytes = std::size_t{1} << 30;  // zlib counts in 32 bits

}  // namespace

struct InflatingReader::Inflater {
  z_stream stream = {};
  Inflater() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    ensure(inflateInit2(&stream, kGzipOnly) == Z_OK, "zlib refuses to start");
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream); }
};

InflatingReader::InflatingReader(std::span<const std::byte> file, std::string name)
    : file_(file), name_(std::move(name)) {
  const bool zipped = file.size() >= 2 && file[0] == std::byte{0x1f} && file[1] == std::byte{0x8b};
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
  require_data(got == to.size(), name_, "offset ", begin + got, ": expected ", what, " (", to.size(),
               " bytes from offset ", begin, "), the data ends after ", got);
}

void InflatingReader::expect_end() {
  std::byte extra;
  const std::uint64_t end = offset_;
  require_data(read(std::span(&extra, 1)) == 0, name_, "offset ", end, ": expected the end of the data, found more");
  require_data(!inflater_ || ended_, name_, "offset ", end, ": expected the end of the gzip stream and its checksum, ",
               "the file ends after ", file_.size(), " bytes");
  require_data(left() == 0, name_, "offset ", end, ": expected the end of the file, found ", left(),
               " bytes after the gzip stream");
}

std::size_t InflatingReader::copy_into(std::span<std::byte> to) {
  const std::size_t n = std::min<std::size_t>(to.size(), left());
  std::copy_n(file_.data() + used_, n, to.begin());
  used_ += n;
  return n;
}

std::size_t InflatingReader::inflate_into(std::span<std::byte> to) {
  z_stream& stream = inflater_->stream;
  std::size_t got = 0;
  while (got < to.size() && !ended_) {
    const std::span<const std::byte> input = file_.subspan(used_);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input.data()));  // zlib only reads it
    stream.avail_in = static_cast<uInt>(std::min(input.size(), kCallBytes));
    stream.next_out = reinterpret_cast<Bytef*>(to.data() + got);
    stream.avail_out = static_cast<uInt>(std::min(to.size() - got, kCallBytes));
    const uInt given = stream.avail_in, wanted = stream.avail_out;
    const int status = inflate(&stream, Z_NO_FLUSH);
    used_ += given - stream.avail_in;
    got += wanted - stream.avail_out;
    ended_ = status == Z_STREAM_END;
    if (status == Z_BUF_ERROR) return got;  // the compressed data ends too early
    require_data(status == Z_OK || ended_, name_, "offset ", offset_ + got, ": expected valid gzip data, zlib says ",
                 stream.msg != nullptr ? stream.msg : "it is damaged", " near byte ", used_, " of the file");
  }
  return got;
}

}  // namespace weft::data
