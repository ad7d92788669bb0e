// Runtime: what weft asks of a kind of device: memory with accounting, copies, streams and events. Each backend
// module registers one. Work is ordered by streams; on the CPU every call has finished when it returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/error.h"

namespace weft {

class Tensor;

struct MemoryStatistics {
  std::size_t live_bytes = 0;      // handed out and not freed
  std::size_t peak_bytes = 0;      // the largest live_bytes since the last reset_peak()
  std::size_t reserved_bytes = 0;  // taken from the system, live or kept for re-use
  std::uint64_t allocations = 0;   // calls of allocate()
};

class WEFT_API Allocator {
 public:
  virtual ~Allocator();
  // At least 64-byte aligned memory; 0 bytes give a null pointer. Throws Error(out_of_memory) with the figures.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void free(void* data, std::size_t bytes) noexcept = 0;
  virtual MemoryStatistics statistics() const = 0;
  virtual void reset_peak() = 0;
  virtual void release_cached() = 0;  // gives kept memory back to the system
};

// Opaque handles of a backend; the CPU's are always null.
struct Stream {
  void* handle = nullptr;
};
struct Event {
  void* handle = nullptr;
};
struct Graph {
  void* handle = nullptr;
};

struct DeviceFacts {
  std::string name;  // "AMD EPYC", "NVIDIA H200"
  std::size_t memory_bytes = 0;
  std::string capability;                                     // "avx512" on the CPU, "9.0" on CUDA
  std::vector<std::pair<std::string, std::string>> versions;  // of driver and libraries
};

class WEFT_API Runtime {
 public:
  virtual ~Runtime();
  virtual int devices() const = 0;
  virtual DeviceFacts facts(int device) const = 0;
  virtual Allocator& allocator(int device) = 0;

  virtual Stream create_stream(int device) = 0;
  virtual void destroy_stream(Stream stream) = 0;
  virtual Stream current_stream(int device) = 0;  // of this thread
  virtual void set_current_stream(int device, Stream stream) = 0;
  virtual Event create_event(int device) = 0;
  virtual void destroy_event(Event event) = 0;
  virtual void record(Event event, Stream stream) = 0;
  virtual void wait(Stream stream, Event event) = 0;      // the stream waits, the caller does not
  virtual void synchronize(int device) = 0;               // the caller waits for all work
  virtual double elapsed_ms(Event begin, Event end) = 0;  // both recorded and reached

  // Copies between this device and the host or another device of this kind, ordered on the stream. The caller keeps
  // both ranges alive until the stream has passed.
  virtual void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes,
                    Stream stream) = 0;
  // The host is about to read a copy of the tensor, whose work is done. The emulated device looks for memory that
  // nobody has written.
  virtual void before_reading(const Tensor& x);

  // Between these two, work that this thread gives to the device's current stream is recorded and not run. Memory that
  // is allocated meanwhile belongs to the graph. CapturedStep (core/runtime/capture.h) is the way to use them.
  virtual void begin_capture(int device);
  virtual Graph end_capture(int device);
  virtual void replay(Graph graph, Stream stream);  // runs the recorded work once
  virtual void destroy_graph(Graph graph);          // waits for the device

  // Tells profilers that wait for it (nsys --capture-range=cudaProfilerApi) to begin, or to stop.
  virtual void collect_profile(bool on);
};

// The runtime of a kind. Loads the backend's module when first asked for it; throws Error(usage) with what was found
// and what to do where there is none.
WEFT_API Runtime& runtime(DeviceKind kind);
// Called by a backend: `start` gives the kind's runtime when it is first asked for, or throws Error(usage) with what is
// missing, such as a driver. Always true, so that registrations can be initialisers.
WEFT_API bool register_runtime(DeviceKind kind, Runtime& (*start)());
// Loads the module of a kind without starting its runtime: its candidates are then in the slots. Throws Error(usage)
// where this build has none.
WEFT_API void load_module(DeviceKind kind);

// cuda:i where there is one, else the CPU; and all cuda devices, or the CPU alone.
WEFT_API Device try_gpu(int i = 0);
WEFT_API std::vector<Device> try_all_gpus();

// Waits until the device has finished all its work. An error under NoSync.
WEFT_API void synchronize(Device device);

// While one of these lives, this thread may not wait for a device: item(), to(cpu) and synchronize() throw, on the
// CPU too, so that a training step is proven free of waits on any machine.
class WEFT_API NoSync {
 public:
  NoSync();
  ~NoSync();
  NoSync(const NoSync&) = delete;
  NoSync& operator=(const NoSync&) = delete;
  static void check(const char* what);  // throws Error(usage) while a NoSync lives on this thread
};

}  // namespace weft
