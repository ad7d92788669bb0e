// Files: reads that name the file and the offset when bytes are missing, and writes that happen whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/export.h"

namespace weft {

// Bytes at offsets: a regular file, or memory that the caller keeps. Errors are Error(data) and start with name().
class WEFT_API ByteSource {
 public:
  explicit ByteSource(const std::string& path);
  ByteSource(std::span<const std::byte> memory, std::string name);
  ByteSource(ByteSource&& other) noexcept;
  ByteSource& operator=(ByteSource&&) = delete;
  ~ByteSource();

  const std::string& name() const { return name_; }
  std::uint64_t bytes() const { return bytes_; }
  // Fills `to` with the bytes from `offset` on; throws when the source ends before.
  void read(std::uint64_t offset, std::span<std::byte> to) const;
  std::vector<std::byte> read_all() const;

 private:
  std::string name_;
  std::uint64_t bytes_ = 0;
  const std::byte* memory_ = nullptr;
  int descriptor_ = -1;
};

// A file that appears under its name only when complete: bytes go to a temporary name in the same directory;
// commit() syncs, renames and syncs the directory. Without commit(), or after an error, the temporary file is removed
// and what stood under the name before is untouched. Failures (a full disk) are Error(internal) naming the file.
class WEFT_API AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  std::uint64_t bytes() const { return bytes_; }               // written so far
  const std::string& temporary() const { return temporary_; }  // where they are until commit()
  void commit();

 private:
  [[noreturn]] void give_up(const char* doing);

  std::string path_, temporary_;
  std::uint64_t bytes_ = 0;
  int descriptor_ = -1;
};

WEFT_API void write_file(const std::string& path, std::string_view text);  // an AtomicFile in one call
WEFT_API std::string read_text_file(const std::string& path);
// Makes renames inside the directory last over a power cut.
WEFT_API void sync_directory(const std::string& directory);

}  // namespace weft
