// Running the same code on the CPU and on the emulated device, and comparing every bit of what comes out.
#pragma once

#include <cstring>

#include "core/tensor.h"

namespace weft::tests {

inline const Device kEmulated{DeviceKind::emulated, 0};

inline bool same_bits(const Tensor& a, const Tensor& b) {
  const Tensor x = a.contiguous().to(Device{}), y = b.contiguous().to(Device{});
  return x.dtype() == y.dtype() && x.shape() == y.shape() &&
         (x.elements() == 0 || std::memcmp(x.raw(), y.raw(), x.bytes()) == 0);
}

}  // namespace weft::tests
