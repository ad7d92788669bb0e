#include "core/runtime/runtime.h"

#include <dlfcn.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <string>

#include "core/tensor.h"

namespace weft {
namespace {

using Start = Runtime& (*)();
constinit std::atomic<Start> starts[kDeviceKinds] = {};
constinit std::atomic<Runtime*> runtimes[kDeviceKinds] = {};
constinit thread_local int no_sync_guards = 0;

// Recursive: a module's initialisers register while it is being loaded.
std::recursive_mutex& module_mutex() {
  static auto* mutex = new std::recursive_mutex;
  return *mutex;
}

// Modules lie beside the library or program that holds this function.
std::filesystem::path own_directory() {
  Dl_info info{};
  ::dladdr(reinterpret_cast<const void*>(&own_directory), &info);
  return std::filesystem::path(info.dli_fname ? info.dli_fname : "").parent_path();
}

[[noreturn]] void refuse_capture() {
  fail(ErrorKind::usage, "capture", "this kind of device records no graphs; use it with cuda or emulated");
}

}  // namespace

Allocator::~Allocator() = default;
Runtime::~Runtime() = default;
void Runtime::before_reading(const Tensor&) {}
void Runtime::begin_capture(int) { refuse_capture(); }
Graph Runtime::end_capture(int) { refuse_capture(); }
void Runtime::replay(Graph, Stream) { refuse_capture(); }
void Runtime::destroy_graph(Graph) { refuse_capture(); }
void Runtime::collect_profile(bool) {
  fail(ErrorKind::usage, "--profile-steps", "tells a CUDA profiler when to collect; use it with --device cuda");
}

bool register_runtime(DeviceKind kind, Start start) {
  starts[static_cast<int>(kind)] = start;
  return true;
}

void load_module(DeviceKind kind) {
  const std::lock_guard lock(module_mutex());
  if (starts[static_cast<int>(kind)]) return;
  const std::string name = kind == DeviceKind::cuda ? "libweft_cuda.so" : "libweft_cuda_emulated.so";
  const std::filesystem::path file = own_directory() / name;
  if (!std::filesystem::exists(file))
    fail(ErrorKind::usage, "device", "this build of weft has no ", kind, " backend (", name,
         " is not beside it); build it with ",
         kind == DeviceKind::cuda ? "nvcc and -DWEFT_CUDA=ON" : "-DWEFT_EMULATED=ON", ", or use --device cpu");
  if (!::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL))
    fail(ErrorKind::usage, "device", "the ", kind, " backend cannot be loaded: ", ::dlerror());
  ensure(starts[static_cast<int>(kind)] != nullptr, "a module registers its runtime");
}

Runtime& runtime(DeviceKind kind) {
  std::atomic<Runtime*>& slot = runtimes[static_cast<int>(kind)];
  if (Runtime* found = slot.load(std::memory_order_acquire)) [[likely]]
    return *found;
  const std::lock_guard lock(module_mutex());
  load_module(kind);
  if (!slot) slot = &starts[static_cast<int>(kind)].load()();
  return *slot;
}

std::vector<Device> try_all_gpus() {
  std::vector<Device> found;
  try {
    for (int i = 0; i < runtime(DeviceKind::cuda).devices(); ++i)
      found.push_back({DeviceKind::cuda, static_cast<std::int8_t>(i)});
  } catch (const Error&) {
    // No driver, no module or no device: all that is asked here is whether there is one.
  }
  return found.empty() ? std::vector<Device>{Device{}} : found;
}

Device try_gpu(int i) {
  const std::vector<Device> all = try_all_gpus();
  return i >= 0 && i < static_cast<int>(all.size()) ? all[static_cast<std::size_t>(i)] : Device{};
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
