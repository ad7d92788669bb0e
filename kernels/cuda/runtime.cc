// The runtime of cuda devices, and, compiled a second time against the emulator's runtime API, of the emulated one.

#include "core/runtime/runtime.h"

#include <cuda_profiler_api.h>
#include <weft_libraries.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/cuda/allocator.h"
#include "kernels/cuda/check.h"
#include "kernels/cuda/device_limits.h"
#include "kernels/cuda/driver.h"
#include "kernels/cuda/marks.h"
#include "kernels/cuda/staging.h"
#include "kernels/cuda/streams.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

std::string version_text(int version) { return message(version / 1000, ".", version % 1000 / 10); }

struct DeviceState {
  explicit DeviceState(int device) : allocator(device), staging(device) {
    check(cudaSetDevice(device), "cudaSetDevice");
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
    void* memory = nullptr;
    check(cudaHostAlloc(&memory, sizeof(IndexReport), cudaHostAllocDefault), "cudaHostAlloc");
    report = new (memory) IndexReport;
  }
  CachingAllocator allocator;
  Staging staging;
  cudaStream_t stream = nullptr;  // what a thread uses that has not chosen another
  cudaDeviceProp properties{};
  IndexReport* report = nullptr;
};

constexpr int kMostDevices = 64;
// Never destroyed: tensors with static storage may free their memory after main has ended.
std::vector<DeviceState*>& states = *new std::vector<DeviceState*>;
thread_local std::array<cudaStream_t, kMostDevices> chosen{};

struct CapturedWork {
  CapturedWork() = default;
  CapturedWork(const CapturedWork&) = delete;
  CapturedWork& operator=(const CapturedWork&) = delete;
  ~CapturedWork() {
    if (executable) cudaGraphExecDestroy(executable);
    if (memory != 0) states[static_cast<std::size_t>(device)]->allocator.release_graph(memory);
  }
  cudaGraphExec_t executable = nullptr;
  int device = 0, memory = 0;
};

class CudaRuntime final : public Runtime {
 public:
  CudaRuntime() {
    const int count = count_devices();
    for (int i = 0; i < count; ++i) states.push_back(new DeviceState(i));
  }
  int devices() const override { return static_cast<int>(states.size()); }
  DeviceFacts facts(int device) const override {
    const cudaDeviceProp& p = state(device).properties;
    int driver = 0, toolkit = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&toolkit);
    DeviceFacts facts{p.name,
                      p.totalGlobalMem,
                      message(p.major, ".", p.minor),
                      {{"driver", version_text(driver)}, {"runtime", version_text(toolkit)}}};
    for (auto& library : library_versions()) facts.versions.push_back(std::move(library));
    return facts;
  }
  Allocator& allocator(int device) override { return state(device).allocator; }

  Stream create_stream(int device) override {
    enter(device);
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    return {stream};
  }
  // What is destroyed is often destroyed because something has failed: the next wait says so, not these.
  void destroy_stream(Stream stream) override { cudaStreamDestroy(native(stream)); }
  Stream current_stream(int device) override { return {cuda::WEFT_CUDA_BUILD::current_stream(device)}; }
  void set_current_stream(int device, Stream stream) override {
    chosen[static_cast<std::size_t>(device)] = native(stream);
  }
  Event create_event(int device) override {
    enter(device);
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, 0), "cudaEventCreate");
    return {event};
  }
  void destroy_event(Event event) override { cudaEventDestroy(native(event)); }
  void record(Event event, Stream stream) override {
    check(cudaEventRecord(native(event), native(stream)), "cudaEventRecord");
  }
  void wait(Stream stream, Event event) override {
    check(cudaStreamWaitEvent(native(stream), native(event), 0), "cudaStreamWaitEvent");
  }
  void synchronize(int device) override {
    enter(device);
    check(cudaDeviceSynchronize(), "the device's work");
    raise_report(device);
  }
  double elapsed_ms(Event begin, Event end) override {
    float ms = 0;
    check(cudaEventElapsedTime(&ms, native(begin), native(end)), "cudaEventElapsedTime");
    return static_cast<double>(ms);
  }
  void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes,
            Stream stream) override {
    if (bytes == 0) return;
    const bool from_host = from_device.kind == DeviceKind::cpu, to_host = to_device.kind == DeviceKind::cpu;
    enter(from_host ? to_device.index : from_device.index);
    if (from_host) return state(to_device.index).staging.upload(to, from, bytes, native(stream));
    check(cudaMemcpyAsync(to, from, bytes, to_host ? cudaMemcpyDeviceToHost : cudaMemcpyDeviceToDevice, native(stream)),
          "copy of ", bytes, " bytes from ", from_device, " to ", to_device);
  }
  void before_reading(const Tensor& x) override { check_written(x); }

  void begin_capture(int device) override {
    enter(device);
    CachingAllocator& memory = state(device).allocator;
    memory.release_cached();  // the graph gets memory of its own: what steps before it used would lie idle beside it
    check(cudaStreamBeginCapture(cuda::WEFT_CUDA_BUILD::current_stream(device), cudaStreamCaptureModeThreadLocal),
          "the start of a capture");
    memory.begin_capture();
  }
  Graph end_capture(int device) override {
    auto work = std::make_unique<CapturedWork>();
    work->device = device;
    work->memory = state(device).allocator.end_capture();
    cudaGraph_t graph = nullptr;
    cudaError_t error = cudaStreamEndCapture(cuda::WEFT_CUDA_BUILD::current_stream(device), &graph);
    if (error == cudaSuccess) error = cudaGraphInstantiate(&work->executable, graph, 0);
    if (graph) cudaGraphDestroy(graph);
    check(error, "the end of a capture");
    return {work.release()};
  }
  void replay(Graph graph, Stream stream) override {
    const auto* work = static_cast<const CapturedWork*>(graph.handle);
    check(cudaGraphLaunch(work->executable, native(stream)), "the replay of a captured graph");
  }
  void destroy_graph(Graph graph) override {
    const std::unique_ptr<CapturedWork> work(static_cast<CapturedWork*>(graph.handle));
    enter(work->device);
    cudaDeviceSynchronize();
  }
  void collect_profile(bool on) override {
    check(cudaDeviceSynchronize(), "the device's work");  // what came before does not belong to the profile
    check(on ? cudaProfilerStart() : cudaProfilerStop(), "cudaProfilerStart or Stop");
  }

 private:
  static cudaStream_t native(Stream stream) { return static_cast<cudaStream_t>(stream.handle); }
  static cudaEvent_t native(Event event) { return static_cast<cudaEvent_t>(event.handle); }
  static DeviceState& state(int device) {
    require(device >= 0 && device < static_cast<int>(states.size()), "device", "there is no ",
            Device{kThisDevice, static_cast<std::int8_t>(device)}, "; this machine has ", states.size());
    return *states[static_cast<std::size_t>(device)];
  }
  static void enter(int device) {
    state(device);
    check(cudaSetDevice(device), "cudaSetDevice");
  }
  static int count_devices() {
    int driver = 0, toolkit = 0, count = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&toolkit);
    const int oldest = oldest_driver(toolkit);
    if (driver == 0)
      fail(ErrorKind::usage, "cuda", "no NVIDIA driver was found; install one for CUDA ", version_text(oldest),
           " or newer, or use --device cpu");
    if (driver < oldest)
      fail(ErrorKind::usage, "cuda", "the NVIDIA driver is for CUDA ", version_text(driver), ", needed is ",
           version_text(oldest), " or newer; update it or use --device cpu");
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess || count == 0)
      fail(ErrorKind::usage, "cuda", "the NVIDIA driver shows no GPU (",
           error == cudaSuccess ? "none is there" : cudaGetErrorString(error),
           "); see nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu");
    return std::min(count, kMostDevices);
  }
  // An index that a kernel found outside its axis.
  static void raise_report(int device) {
    IndexReport& report = *state(device).report;
    if (report.set == 0) return;
    const IndexReport found = std::exchange(report, IndexReport{});
    fail(found.data_error ? ErrorKind::data : ErrorKind::usage, found.op, found.data_error ? "class index " : "index ",
         found.index, " at position ", found.position, " is outside [0, ", found.size, ")");
  }
};

[[maybe_unused]] const bool registered = register_runtime(kThisDevice, []() -> Runtime& {
  static auto* runtime = new CudaRuntime;
  return *runtime;
});

}  // namespace

cudaStream_t current_stream(int device) {
  const cudaStream_t stream = chosen[static_cast<std::size_t>(device)];
  return stream ? stream : states[static_cast<std::size_t>(device)]->stream;
}
cudaStream_t stream_of(const Tensor& x) {
  const int device = x.device().index;
  if (states.size() > 1) check(cudaSetDevice(device), "cudaSetDevice");
  return current_stream(device);
}
int multiprocessors_of(const Tensor& x) {
  return states[static_cast<std::size_t>(x.device().index)]->properties.multiProcessorCount;
}
std::size_t shared_bytes_of(const Tensor& x) {
  return states[static_cast<std::size_t>(x.device().index)]->properties.sharedMemPerBlockOptin;
}
IndexReport* index_report_of(const Tensor& x) { return states[static_cast<std::size_t>(x.device().index)]->report; }

}  // namespace weft::cuda::WEFT_CUDA_BUILD
