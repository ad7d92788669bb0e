// InflatingReader: the bytes of a file one after the other, inflated on the way when the file is gzipped. What is wrong
// is Error(data) naming the file and the offset in the inflated bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/export.h"

namespace weft::data {

class WEFT_API InflatingReader {
 public:
  // The caller keeps the file's bytes; `name` stands for it in errors.
  InflatingReader(std::span<const std::byte> file, std::string name);
  ~InflatingReader();

  std::uint64_t offset() const { return offset_; }                       // inflated bytes read so far
  std::uint64_t left() const { return file_.size() - used_; }            // bytes of the file not yet used
  const std::string& name() const { return name_; }

  // As many of the next bytes as there are.
  std::size_t read(std::span<std::byte> to);
  void read_exactly(std::span<std::byte> to, const std::string& what);
  void expect_end();

 private:
  struct Inflater;
  std::size_t copy_into(std::span<std::byte> to);
  std::size_t inflate_into(std::span<std::byte> to);

  std::span<const std::byte> file_;
  std::string name_;
  std::unique_ptr<Inflater> inflater_;  // none for a plain file
  std::uint64_t used_ = 0, offset_ = 0;
  bool ended_ = false;  // the gzip stream, its checksum included
};

}  // namespace weft::data
