#include "train/tfevents.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>

#include "core/error.h"

namespace weft::train {
namespace {

constexpr std::array<std::uint32_t, 256> crc_table() {
  constexpr std::uint32_t kReflectedPolynomial = 0x82F63B78u;
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? kReflectedPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}

// TFRecord stores CRCs rotated and offset, so that a CRC over data that holds CRCs stays sound.
std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

template <typename T>
void append_little_endian(std::string& out, T value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  for (std::size_t byte = 0; byte < sizeof value; ++byte) out += static_cast<char>(bits >> 8 * byte & 0xFF);
}

// Protobuf's wire format: a key is field << 3 | wire type; 0 varint, 1 64-bit, 2 length-delimited, 5 32-bit.
void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}
void append_key(std::string& out, int field, int wire_type) {
  append_varint(out, static_cast<std::uint64_t>(field << 3 | wire_type));
}
void append_integer(std::string& out, int field, std::int64_t value) {
  append_key(out, field, 0);
  append_varint(out, static_cast<std::uint64_t>(value));
}
void append_double(std::string& out, int field, double value) {
  append_key(out, field, 1);
  append_little_endian(out, value);
}
void append_float(std::string& out, int field, float value) {
  append_key(out, field, 5);
  append_little_endian(out, value);
}
void append_bytes(std::string& out, int field, std::string_view bytes) {
  append_key(out, field, 2);
  append_varint(out, bytes.size());
  out += bytes;
}

// The fields of tensorflow/core/util/event.proto and framework/summary.proto that weft writes.
namespace event {
constexpr int kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
}
namespace summary {
constexpr int kValue = 1, kTag = 1, kSimpleValue = 2;
}
constexpr int kSessionLogStatus = 1, kSessionStart = 1;

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string event_at(std::int64_t step) {
  std::string out;
  append_double(out, event::kWallTime, unix_seconds());
  append_integer(out, event::kStep, step);
  return out;
}

std::string event_file_name() {
  static std::atomic<int> made_by_this_process{0};
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  return message("events.out.tfevents.", static_cast<std::int64_t>(unix_seconds()), '.', host, '.', ::getpid(), '.',
                 made_by_this_process++);
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = crc_table();
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const char byte : bytes) crc = kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF] ^ crc >> 8;
  return ~crc;
}

EventFile::EventFile(const std::filesystem::path& folder, std::int64_t step) : file_(folder / event_file_name(), 0) {
  std::string version;
  append_double(version, event::kWallTime, unix_seconds());
  append_bytes(version, event::kFileVersion, "brain.Event:2");
  write_event(version);
  std::string status;
  append_integer(status, kSessionLogStatus, kSessionStart);
  std::string start = event_at(step);
  append_bytes(start, event::kSessionLog, status);
  write_event(start);
}

void EventFile::write(std::int64_t step, std::span<const Scalar> scalars) {
  std::string values;
  for (const Scalar& scalar : scalars) {
    std::string value;
    append_bytes(value, summary::kTag, scalar.tag);
    append_float(value, summary::kSimpleValue, static_cast<float>(scalar.value));
    append_bytes(values, summary::kValue, value);
  }
  std::string out = event_at(step);
  append_bytes(out, event::kSummary, values);
  write_event(out);
}

void EventFile::write_event(std::string_view event) {
  std::string length, record;
  append_little_endian(length, static_cast<std::uint64_t>(event.size()));
  record += length;
  append_little_endian(record, masked_crc(length));
  record += event;
  append_little_endian(record, masked_crc(event));
  file_.append(record);
}

}  // namespace weft::train
