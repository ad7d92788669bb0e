#include "core/zip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.h"

namespace weft {
namespace {

// Signatures and sizes of the records, from PKWARE's APPNOTE.TXT 6.3.10, section 4.3.
constexpr std::uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50, kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
constexpr std::size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr std::size_t kLongestComment = 65535;
constexpr std::uint32_t kElsewhere32 = 0xffffffff;  // "the value stands in the zip64 field"
constexpr std::uint16_t kElsewhere16 = 0xffff, kZip64Field = 1;
constexpr std::uint64_t kLargestDirectory = std::uint64_t{1} << 28;

// Little-endian numbers inside a record.
template <typename T>
T number(std::span<const std::byte> record, std::size_t at) {
  T value;
  std::memcpy(&value, record.data() + at, sizeof value);
  return value;
}
std::uint16_t u16(std::span<const std::byte> record, std::size_t at) { return number<std::uint16_t>(record, at); }
std::uint32_t u32(std::span<const std::byte> record, std::size_t at) { return number<std::uint32_t>(record, at); }
std::uint64_t u64(std::span<const std::byte> record, std::size_t at) { return number<std::uint64_t>(record, at); }

// Replaces those of the values that stand in the extra field, which holds them in this order.
void take_zip64(std::span<const std::byte> extra, std::span<std::uint64_t* const> values, const std::string& file) {
  const bool wanted = std::ranges::any_of(values, [](const std::uint64_t* v) { return *v == kElsewhere32; });
  while (wanted && extra.size() >= 4) {
    const std::size_t bytes = u16(extra, 2);
    require_data(bytes <= extra.size() - 4, file, "an extra field of the archive is longer than its record");
    if (u16(extra, 0) == kZip64Field) {
      std::span<const std::byte> field = extra.subspan(4, bytes);
      for (std::uint64_t* value : values) {
        if (*value != kElsewhere32) continue;
        require_data(field.size() >= 8, file, "a zip64 field of the archive is too short");
        *value = u64(field, 0);
        field = field.subspan(8);
      }
      return;
    }
    extra = extra.subspan(4 + bytes);
  }
}

}  // namespace

bool ZipFile::recognizes(const ByteSource& source) {
  std::array<std::byte, 4> start = {};
  if (source.bytes() < start.size()) return false;
  source.read(0, start);
  return u32(start, 0) == kLocalHeader;
}

// The end record stands before a comment of any length; torch.save writes none, so the last place is tried first.
ZipFile::Directory ZipFile::find_directory() const {
  const std::string& file = source_.name();
  const std::size_t tail_bytes = std::min<std::uint64_t>(source_.bytes(), kEndBytes + kLongestComment);
  const std::uint64_t tail_at = source_.bytes() - tail_bytes;
  std::vector<std::byte> tail(tail_bytes);
  source_.read(tail_at, tail);
  std::size_t at = tail_bytes < kEndBytes ? 0 : tail_bytes - kEndBytes + 1;
  while (at > 0 && u32(tail, at - 1) != kEnd) --at;
  require_data(at > 0, file, "expected the table of contents of a zip archive at the end; the file is cut off");
  --at;
  const std::span<const std::byte> end = std::span<const std::byte>(tail).subspan(at);
  Directory directory{.entries = u16(end, 10), .offset = u32(end, 16), .bytes = u32(end, 12)};
  std::uint64_t limit = tail_at + at;
  const bool zip64 =
      directory.entries == kElsewhere16 || directory.offset == kElsewhere32 || directory.bytes == kElsewhere32;
  require_data(u16(end, 4) == u16(end, 6) || zip64, file, "the archive is split over several files");
  if (zip64) {
    require_data(limit >= kLocatorBytes + kEnd64Bytes, file, "the zip64 records of the archive are missing");
    std::array<std::byte, kLocatorBytes> locator;
    source_.read(limit - kLocatorBytes, locator);
    require_data(u32(locator, 0) == kEnd64Locator, file, "the zip64 locator of the archive is missing");
    limit = u64(locator, 8);
    std::array<std::byte, kEnd64Bytes> end64;
    source_.read(limit, end64);
    require_data(u32(end64, 0) == kEnd64, file, "the zip64 end record of the archive is missing");
    directory = {.entries = u64(end64, 32), .offset = u64(end64, 48), .bytes = u64(end64, 40)};
  }
  const bool fits = directory.offset <= limit && directory.bytes <= limit - directory.offset;
  require_data(fits && directory.bytes <= kLargestDirectory && directory.entries <= directory.bytes / kCentralBytes,
               file, "the table of contents of the archive does not lie inside it");
  return directory;
}

// The data of an entry begins behind its local header, whose extra field pads it to an alignment.
void ZipFile::locate(Entry& entry, std::uint64_t header, std::uint64_t end) const {
  const std::string& file = source_.name();
  require_data(header <= end && end - header >= kLocalBytes, file, "entry '", entry.name,
               "' begins outside of the archive");
  std::array<std::byte, kLocalBytes> local;
  source_.read(header, local);
  require_data(u32(local, 0) == kLocalHeader && u16(local, 26) == entry.name.size(), file, "offset ", header,
               ": expected the header of entry '", entry.name, "'");
  std::string name(entry.name.size(), '\0');
  source_.read(header + kLocalBytes, std::as_writable_bytes(std::span(name)));
  require_data(name == entry.name, file, "offset ", header, ": expected the header of entry '", entry.name, "'");
  entry.offset = header + kLocalBytes + name.size() + u16(local, 28);
  require_data(entry.offset <= end && entry.bytes <= end - entry.offset, file, "entry '", entry.name, "' has ",
               entry.bytes, " bytes at offset ", entry.offset, ", more than the archive holds");
}

ZipFile::ZipFile(const ByteSource& source) : source_(source) {
  const std::string& file = source.name();
  const Directory directory = find_directory();
  std::vector<std::byte> bytes(directory.bytes);
  source.read(directory.offset, bytes);
  std::span<const std::byte> left = bytes;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    require_data(left.size() >= kCentralBytes && u32(left, 0) == kCentralHeader, file, "entry ", i,
                 " of the archive's table of contents is damaged");
    const std::size_t name_bytes = u16(left, 28), extra_bytes = u16(left, 30);
    const std::size_t record = kCentralBytes + name_bytes + extra_bytes + u16(left, 32);
    require_data(record <= left.size(), file, "entry ", i, " of the archive's table of contents is cut off");
    Entry entry{.bytes = u32(left, 24), .crc = u32(left, 16)};
    entry.name.assign(reinterpret_cast<const char*>(left.data()) + kCentralBytes, name_bytes);
    constexpr std::uint16_t kEncrypted = 1;
    require_data((u16(left, 8) & kEncrypted) == 0, file, "entry '", entry.name, "' is encrypted");
    require_data(u16(left, 10) == 0, file, "entry '", entry.name,
                 "' is compressed; torch.save stores without compression");
    std::uint64_t packed = u32(left, 20), header = u32(left, 42);
    take_zip64(left.subspan(kCentralBytes + name_bytes, extra_bytes), std::array{&entry.bytes, &packed, &header}, file);
    require_data(packed == entry.bytes, file, "entry '", entry.name, "' has two sizes, ", packed, " and ", entry.bytes);
    locate(entry, header, directory.offset);
    entries_.push_back(std::move(entry));
    left = left.subspan(record);
  }
  std::ranges::sort(entries_, {}, &Entry::name);
  const auto twice = std::ranges::adjacent_find(entries_, {}, &Entry::name);
  if (twice != entries_.end()) fail(ErrorKind::data, file, "two entries of the archive are named '", twice->name, "'");
}

const ZipFile::Entry* ZipFile::find(std::string_view name) const {
  const auto found =
      std::ranges::lower_bound(entries_, name, {}, [](const Entry& e) -> std::string_view { return e.name; });
  return found == entries_.end() || found->name != name ? nullptr : &*found;
}

void ZipFile::check(const Entry& entry) const {
  if (entry.crc == 0) return;
  constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
  std::vector<std::byte> piece(std::min(kPiece, entry.bytes));
  uLong crc = crc32(0, nullptr, 0);
  for (std::uint64_t done = 0; done < entry.bytes; done += piece.size()) {
    piece.resize(std::min(kPiece, entry.bytes - done));
    source_.read(entry.offset + done, piece);
    crc = crc32(crc, reinterpret_cast<const Bytef*>(piece.data()), static_cast<uInt>(piece.size()));
  }
  require_data(crc == entry.crc, source_.name(), "entry '", entry.name, "' is damaged: its bytes have another CRC-32");
}

std::vector<std::byte> ZipFile::read(const Entry& entry) const {
  check(entry);
  std::vector<std::byte> bytes(entry.bytes);
  source_.read(entry.offset, bytes);
  return bytes;
}

}  // namespace weft
