#include "core/storage.h"

#include <utility>

#include "core/memory_observer.h"

namespace weft {
namespace {

constinit thread_local MemoryObserver* observer = nullptr;

}  // namespace

MemoryObserver::~MemoryObserver() = default;
MemoryObserver* MemoryObserver::current() { return observer; }
MemoryObserver::Scope::Scope(MemoryObserver* wanted) : observer_(observer, wanted) {}

Storage::~Storage() {
  if (observer) [[unlikely]]
    observer->freed(*this);
  if (owner) owner->free(data, bytes);
  if (release) release();
}

Ref<Storage> allocate_storage(std::size_t bytes, Device device) {
  Ref<Storage> storage(new Storage);
  Allocator& allocator = runtime(device.kind).allocator(device.index);
  storage->data = allocator.allocate(bytes);
  storage->bytes = bytes;
  storage->device = device;
  storage->owner = &allocator;
  return storage;
}

Ref<Storage> storage_range(const Ref<Storage>& parent, std::size_t offset_bytes, std::size_t bytes) {
  ensure(offset_bytes + bytes <= parent->bytes, "a range inside its parent storage");
  Ref<Storage> range(new Storage);
  range->data = static_cast<std::byte*>(parent->data) + offset_bytes;
  range->bytes = bytes;
  range->device = parent->device;
  range->parent = parent;
  return range;
}

}  // namespace weft
