// GrowingFile: a file that grows by whole records and is never left with half of one. A record that cannot be written
// (a full disk) is kept and tried again with the next; the first failure in a row is logged as a warning.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/export.h"

namespace weft::train {

class WEFT_API GrowingFile {
 public:
  // Opens or makes the file and cuts it to `bytes` when it is longer.
  GrowingFile(std::filesystem::path path, std::uint64_t bytes);
  GrowingFile(const GrowingFile&) = delete;
  GrowingFile& operator=(const GrowingFile&) = delete;
  ~GrowingFile();

  // Whether all records so far are in the file now.
  bool append(std::string_view record);
  bool flush() { return append({}); }
  void sync() const;
  std::uint64_t bytes() const { return bytes_ + waiting_.size(); }  // of all records so far

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t bytes_ = 0;  // of the records in the file
  std::string waiting_;      // records not in the file yet
  bool warned_ = false;
};

}  // namespace weft::train
