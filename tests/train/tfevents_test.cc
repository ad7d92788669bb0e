#include "train/tfevents.h"

#include <cstring>

#include "core/file.h"
#include "tests/catch.h"
#include "tests/scratch.h"

using namespace weft;
using namespace weft::train;

namespace {

template <typename T>
T read_number(std::string_view bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::uint32_t unmask(std::uint32_t masked) {
  const std::uint32_t rotated = masked - 0xA282EAD8u;
  return rotated >> 17 | rotated << 15;
}

// The payloads of a TFRecord file, with both checksums of each checked.
std::vector<std::string> read_records(std::string_view file) {
  std::vector<std::string> payloads;
  while (!file.empty()) {
    const auto length = read_number<std::uint64_t>(file, 0);
    REQUIRE(file.size() >= length + 16);
    CHECK(unmask(read_number<std::uint32_t>(file, 8)) == crc32c(file.substr(0, 8)));
    payloads.emplace_back(file.substr(12, length));
    CHECK(unmask(read_number<std::uint32_t>(file, 12 + length)) == crc32c(payloads.back()));
    file.remove_prefix(length + 16);
  }
  return payloads;
}

}  // namespace

TEST_CASE("CRC-32C gives the published values") {
  CHECK(crc32c("") == 0);
  CHECK(crc32c("123456789") == 0xE3069283u);              // the check value of CRC-32C
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAu);    // RFC 3720, B.4
  CHECK(crc32c(std::string(32, '\xff')) == 0x62A8AB43u);  // RFC 3720, B.4
}

TEST_CASE("an event file holds the version, the start of the session and scalars") {
  const tests::Scratch folder;
  {
    EventFile events(folder.path(), 300);
    events.write(350, std::vector<Scalar>{{"train/loss", 0.5}, {"val/top1", 0.75}});
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) files.push_back(entry.path());
  REQUIRE(files.size() == 1);
  CHECK(files[0].filename().string().starts_with("events.out.tfevents."));
  // Of several files that a process writes, each has its own number behind.
  CHECK(files[0].extension().string().find_first_not_of("0123456789", 1) == std::string::npos);

  const std::vector<std::string> records = read_records(read_text_file(files[0].string()));
  REQUIRE(records.size() == 3);
  // Each starts with wall_time: key 0x09 and 8 bytes.
  CHECK(records[0].substr(9) == std::string("\x1a\x0d") + "brain.Event:2");
  CHECK(records[1].substr(9) == std::string("\x10\xac\x02\x3a\x02\x08\x01"));  // step 300, session_log {START}
  std::string expected = "\x10\xde\x02\x2a\x24";                               // step 350, summary of 36 bytes
  expected += std::string("\x0a\x11\x0a\x0a") + "train/loss" + std::string("\x15\0\0\0\x3f", 5);  // 0.5
  expected += std::string("\x0a\x0f\x0a\x08") + "val/top1" + std::string("\x15\0\0\x40\x3f", 5);  // 0.75
  CHECK(records[2].substr(9) == expected);
  const double wall_time = read_number<double>(records[2], 1);
  CHECK(wall_time > 1.6e9);
}
