// The event file TensorBoard reads: TFRecords of Event messages with scalars, written by hand because the subset is
// small: a record is length, masked CRC-32C of it, payload, masked CRC-32C of that; the payload is protobuf.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "core/export.h"
#include "train/growing_file.h"

namespace weft::train {

struct Scalar {
  std::string_view tag;  // "train/loss"
  double value;          // stored as a float
};

class WEFT_API EventFile {
 public:
  // Makes events.out.tfevents.<unix>.<host>.<pid>.<n> in the folder and announces the step the run starts or goes on
  // at, so that TensorBoard drops what the file of a killed run says beyond it.
  EventFile(const std::filesystem::path& folder, std::int64_t step);

  void write(std::int64_t step, std::span<const Scalar> scalars);
  bool flush() { return file_.flush(); }

 private:
  void write_event(std::string_view event);

  GrowingFile file_;
};

// CRC-32C (Castagnoli) as iSCSI and TFRecord use it.
WEFT_API std::uint32_t crc32c(std::string_view bytes);

}  // namespace weft::train
