// ZipFile: the table of contents of a zip archive whose entries are stored uncompressed, as torch.save writes them,
// zip64 fields included. It finds where the bytes of an entry lie in the file and checks them against their CRC-32;
// compressed, encrypted and split archives are refused. Whatever is wrong is Error(data) naming the file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"

namespace weft {

class WEFT_API ZipFile {
 public:
  struct Entry {
    std::string name = {};
    std::uint64_t offset = 0, bytes = 0;  // of the data in the file
    std::uint32_t crc = 0;                // 0: the writer computed none
  };

  // Whether the bytes start as a zip archive does.
  static bool recognizes(const ByteSource& source);

  explicit ZipFile(const ByteSource& source);  // the source must outlive this

  const std::vector<Entry>& entries() const { return entries_; }
  const Entry* find(std::string_view name) const;  // null when there is none
  void check(const Entry& entry) const;            // reads all of it
  std::vector<std::byte> read(const Entry& entry) const;

 private:
  struct Directory {
    std::uint64_t entries, offset, bytes;
  };
  Directory find_directory() const;
  void locate(Entry& entry, std::uint64_t header, std::uint64_t end) const;

  const ByteSource& source_;
  std::vector<Entry> entries_;  // sorted by name
};

}  // namespace weft
