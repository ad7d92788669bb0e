// Buffer: temporary memory of a kernel, from the CPU's caching allocator, so that it is accounted for and its pages
// stay warm. Uninitialised.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/runtime/runtime.h"
#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {

template <typename T>
class Buffer {
 public:
  explicit Buffer(std::int64_t elements)
      : bytes_(static_cast<std::size_t>(elements) * sizeof(T)),
        data_(static_cast<T*>(runtime(DeviceKind::cpu).allocator(0).allocate(bytes_))) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { runtime(DeviceKind::cpu).allocator(0).free(data_, bytes_); }

  T* data() const { return data_; }
  T& operator[](std::int64_t i) const { return data_[i]; }

 private:
  std::size_t bytes_;
  T* data_;
};

}  // namespace weft::cpu::WEFT_CPU_LEVEL
