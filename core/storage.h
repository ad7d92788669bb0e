// Storage: one range of device memory with an owner, and the version that grows with each in-place write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "core/device.h"
#include "core/ref.h"
#include "core/runtime/runtime.h"

namespace weft {

struct WEFT_API Storage final : Counted {
  void* data = nullptr;
  std::size_t bytes = 0;
  Device device;
  Allocator* owner = nullptr;     // null: the memory is the user's, or a range of `parent`
  Ref<Storage> parent;            // what this is a range of (an arena), kept alive
  std::function<void()> release;  // runs when a user's memory is no longer needed
  std::uint32_t version = 0;
  const char* last_writer = "nothing";  // the op that raised the version last

  ~Storage();

  void written_by(const char* op) {
    ++version;
    last_writer = op;
  }
};

WEFT_API Ref<Storage> allocate_storage(std::size_t bytes, Device device);
WEFT_API Ref<Storage> storage_range(const Ref<Storage>& parent, std::size_t offset_bytes, std::size_t bytes);

}  // namespace weft
