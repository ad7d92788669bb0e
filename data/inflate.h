// InflatingReader: the bytes of a file one after the other, inflated on the way when the file is gzipped, with little
// memory of its own. What is wrong is Error(data) naming the file and the offset in the inflated bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/file.h"

namespace weft::data {

class WEFT_API InflatingReader {
 public:
  explicit InflatingReader(ByteSource file);
  ~InflatingReader();

  std::uint64_t left() const { return file_.bytes() - used_; }  // bytes of the file not yet used
  const std::string& name() const { return file_.name(); }

  // As many of the next bytes as there are.
  std::size_t read(std::span<std::byte> to);
  void read_exactly(std::span<std::byte> to, const std::string& what);
  void expect_end();

 private:
  struct Inflater;
  std::size_t copy_into(std::span<std::byte> to);
  std::size_t inflate_into(std::span<std::byte> to);

  ByteSource file_;
  std::unique_ptr<Inflater> inflater_;   // none for a plain file
  std::uint64_t used_ = 0, offset_ = 0;  // bytes of the file; bytes given
  bool ended_ = false;                   // the gzip stream, its checksum included
};

}  // namespace weft::data
