#include "core/device.h"

#include <charconv>

#include "core/error.h"

namespace weft {

std::string to_string(DeviceKind kind) {
  constexpr const char* names[kDeviceKinds] = {"cpu", "cuda", "emulated"};
  return names[static_cast<int>(kind)];
}

std::string to_string(Device device) {
  if (device.kind == DeviceKind::cpu) return "cpu";
  return message(device.kind, ":", int(device.index));
}

Device parse_device(std::string_view text) {
  const auto colon = text.find(':');
  for (int k = 0; k < kDeviceKinds; ++k) {
    const auto kind = static_cast<DeviceKind>(k);
    if (text.substr(0, colon) != to_string(kind)) continue;
    if (colon == text.npos) return {kind, 0};
    const std::string_view digits = text.substr(colon + 1);
    int index = -1;
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    const int limit = kind == DeviceKind::cpu ? 0 : 63;
    if (status == std::errc{} && end == digits.data() + digits.size() && index >= 0 && index <= limit)
      return {kind, static_cast<std::int8_t>(index)};
    break;
  }
  fail(ErrorKind::usage, "device", "'", text, "' is not a device; use cpu, cuda[:i] or emulated[:i]");
}

}  // namespace weft
