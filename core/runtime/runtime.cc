#include "core/runtime/runtime.h"

namespace weft {
namespace {

constinit Runtime* runtimes[kDeviceKinds] = {};
constinit thread_local int no_sync_guards = 0;

}  // namespace

Allocator::~Allocator() = default;
Runtime::~Runtime() = default;

void register_runtime(DeviceKind kind, Runtime* runtime) { runtimes[static_cast<int>(kind)] = runtime; }

Runtime& runtime(DeviceKind kind) {
  Runtime* found = runtimes[static_cast<int>(kind)];
  if (!found) [[unlikely]]
    fail(ErrorKind::usage, "device", "this build of weft has no ", kind, " backend; use --device cpu");
  return *found;
}

void synchronize(Device device) {
  NoSync::check("synchronize");
  runtime(device.kind).synchronize(device.index);
}

NoSync::NoSync() { ++no_sync_guards; }
NoSync::~NoSync() { --no_sync_guards; }

void NoSync::check(const char* what) {
  require(no_sync_guards == 0, what, "would wait for the device, which this code has promised not to do (NoSync)");
}

}  // namespace weft
