// A place where tensors live and kernels run.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/export.h"

namespace weft {

// `emulated` is the CUDA module's own sources run by the host emulator.
enum class DeviceKind : std::uint8_t { cpu, cuda, emulated };
inline constexpr int kDeviceKinds = 3;

struct Device {
  DeviceKind kind = DeviceKind::cpu;
  std::int8_t index = 0;
  friend bool operator==(const Device&, const Device&) = default;
};

WEFT_API std::string to_string(DeviceKind kind);
WEFT_API std::string to_string(Device device);        // "cpu", "cuda:1"
WEFT_API Device parse_device(std::string_view text);  // "cpu", "cuda", "cuda:1"; throws Error(usage) otherwise

}  // namespace weft
