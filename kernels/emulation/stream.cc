// Streams, events, graphs and the rest of the runtime API of the emulated device. Work of a stream runs only when
// something waits for it, so that a missing wait shows; streams are drained last one first for the same reason.

#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/emulation/emulation.h"
#include "kernels/emulation/marks.h"
#include "kernels/emulation/shared_limit.h"

using Work = std::function<void()>;
using weft::emulation::turn;

struct EmulatedGraph {
  std::vector<Work> works;
};
struct EmulatedStream {
  std::deque<Work> queue;
  EmulatedGraph* capturing = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;  // of the capture, and what follows too
  std::thread::id thread;
  bool lost = false;
};
// Queued work may outlive the event it tells of.
struct EventState {
  EmulatedStream* stream = nullptr;
  std::uint64_t recorded = 0, reached = 0;
  std::chrono::steady_clock::time_point at;
};
struct EmulatedEvent {
  std::shared_ptr<EventState> state = std::make_shared<EventState>();
};

namespace {

std::vector<EmulatedStream*>& streams() {
  static auto* all = new std::vector<EmulatedStream*>;
  return *all;
}

weft::emulation::Readback read_back;

// Runs the work at the head of the queue. A complaint empties the queue: what follows would work on rubbish.
void run_first(EmulatedStream& stream) {
  const Work work = std::move(stream.queue.front());
  stream.queue.pop_front();
  try {
    work();
  } catch (...) {
    stream.queue.clear();
    throw;
  }
}
void drain(EmulatedStream& stream) {
  while (!stream.queue.empty()) run_first(stream);
}
void reach(EventState& event, std::uint64_t count) {
  while (event.reached < count && !event.stream->queue.empty()) run_first(*event.stream);
  event.reached = std::max(event.reached, count);  // also when a complaint emptied the queue
}
bool any_capture() {
  return std::any_of(streams().begin(), streams().end(), [](const auto* stream) { return stream->capturing; });
}

thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

// Calls that a capture cannot see: whether one by this thread is refused. The capture is then lost as well.
bool refused_while_capturing() {
  if (thread_mode == cudaStreamCaptureModeRelaxed) return false;
  bool refused = false;
  for (EmulatedStream* stream : streams()) {
    const bool own = stream->thread == std::this_thread::get_id() || stream->mode == cudaStreamCaptureModeGlobal;
    if (stream->capturing && own && stream->mode != cudaStreamCaptureModeRelaxed) refused = stream->lost = true;
  }
  return refused;
}
// Waits that a capture on any stream forbids.
bool refused_wait() { return refused_while_capturing() || any_capture(); }

}  // namespace

namespace weft::emulation {

Readback readback() { return read_back; }

void submit_uncaptured(cudaStream_t stream, Work work) {
  const std::lock_guard lock(turn());
  if (!stream) complain("work was given to the default stream, which weft does not use");
  stream->queue.push_back(std::move(work));
}

void submit(cudaStream_t stream, Work work) {
  const std::lock_guard lock(turn());
  if (stream && stream->capturing)
    stream->capturing->works.push_back(std::move(work));
  else
    submit_uncaptured(stream, std::move(work));
}

}  // namespace weft::emulation

const char* cudaGetErrorString(cudaError_t error) {
  if (error == cudaErrorStreamCaptureInvalidated) return "operation failed due to a previous error during capture";
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorNotReady: return "device not ready";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    default: return "invalid argument";
  }
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
cudaError_t cudaDriverGetVersion(int* version) { return *version = 12040, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 12040, cudaSuccess; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return cudaErrorInvalidDevice;
  *properties = {.name = "host emulator",
                 .totalGlobalMem = weft::emulation::options().memory_bytes,
                 .major = 9,
                 .minor = 0,
                 .multiProcessorCount = 4,  // few, so that grid-stride loops go round
                 .maxThreadsPerBlock = 1024,
                 .sharedMemPerBlockOptin = weft::emulation::shared_limit()};
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }
cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const std::lock_guard lock(turn());
  *total = weft::emulation::options().memory_bytes;
  *free = *total - weft::emulation::memory_used();
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  const std::lock_guard lock(turn());
  if (refused_while_capturing()) return cudaErrorStreamCaptureUnsupported;
  *data = weft::emulation::take_memory(bytes);
  return *data ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFree(void* data) {
  const std::lock_guard lock(turn());
  if (refused_wait()) return cudaErrorStreamCaptureUnsupported;
  for (EmulatedStream* stream : streams()) drain(*stream);
  return !data || weft::emulation::give_memory_back(data) ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned) {
  const std::lock_guard lock(turn());
  if (refused_while_capturing()) return cudaErrorStreamCaptureUnsupported;
  *data = std::aligned_alloc(512, (bytes + 511) / 512 * 512);
  return *data ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeHost(void* data) { return std::free(data), cudaSuccess; }
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  if (kind == cudaMemcpyDeviceToHost) ++read_back.copies, read_back.bytes += static_cast<std::int64_t>(bytes);
  weft::emulation::submit(stream, [=] {
    std::memcpy(weft::emulation::to_kernel_address(to), weft::emulation::to_kernel_address(from), bytes);
    weft::emulation::note_writer(to, "a copy");
  });
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  weft::emulation::submit(stream, [=] { std::memset(weft::emulation::to_kernel_address(to), value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const std::lock_guard lock(turn());
  streams().push_back(*stream = new EmulatedStream);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const std::lock_guard lock(turn());
  drain(*stream);  // it stays in the list, since events may point to it
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const std::lock_guard lock(turn());
  if (stream->capturing) return stream->lost = true, cudaErrorStreamCaptureUnsupported;
  drain(*stream);
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  const std::lock_guard lock(turn());
  if (refused_wait()) return cudaErrorStreamCaptureUnsupported;
  for (std::size_t i = streams().size(); i-- > 0;) drain(*streams()[i]);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return *event = new EmulatedEvent, cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete event, cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::lock_guard lock(turn());
  if (stream->capturing) return cudaErrorStreamCaptureUnsupported;
  EventState& state = *event->state;
  if (state.stream && state.stream != stream) reach(state, state.recorded);
  state.stream = stream;
  weft::emulation::submit(stream, [kept = event->state, count = ++state.recorded] {
    kept->reached = std::max(kept->reached, count);
    kept->at = std::chrono::steady_clock::now();
  });
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const std::lock_guard lock(turn());
  if (stream->capturing) return cudaErrorStreamCaptureUnsupported;
  if (!event->state->stream || event->state->stream == stream) return cudaSuccess;
  weft::emulation::submit(stream, [kept = event->state, count = event->state->recorded] { reach(*kept, count); });
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const std::lock_guard lock(turn());
  if (refused_while_capturing()) return cudaErrorStreamCaptureUnsupported;
  return event->state->reached == event->state->recorded ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const std::lock_guard lock(turn());
  if (refused_while_capturing()) return cudaErrorStreamCaptureUnsupported;
  if (event->state->stream) reach(*event->state, event->state->recorded);
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t begin, cudaEvent_t end) {
  const std::lock_guard lock(turn());
  if (begin->state->reached == 0 || end->state->reached == 0) return cudaErrorNotReady;
  *ms = std::chrono::duration<float, std::milli>(end->state->at - begin->state->at).count();
  return cudaSuccess;
}

cudaError_t cudaProfilerStart() { return cudaSuccess; }
cudaError_t cudaProfilerStop() { return cudaSuccess; }

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const std::lock_guard lock(turn());
  if (stream->capturing) return cudaErrorInvalidValue;
  stream->capturing = new EmulatedGraph;
  stream->mode = mode, stream->thread = std::this_thread::get_id(), stream->lost = false;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(turn());
  *graph = std::exchange(stream->capturing, nullptr);
  if (!*graph) return cudaErrorInvalidValue;
  if (!stream->lost) return cudaSuccess;
  delete std::exchange(*graph, nullptr);
  return cudaErrorStreamCaptureInvalidated;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const std::lock_guard lock(turn());
  *status = !stream->capturing ? cudaStreamCaptureStatusNone
            : stream->lost     ? cudaStreamCaptureStatusInvalidated
                               : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  return std::swap(*mode, thread_mode), cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  return *executable = new EmulatedGraph(*graph), cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const std::lock_guard lock(turn());
  for (const Work& work : executable->works) weft::emulation::submit(stream, work);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) { return delete executable, cudaSuccess; }
cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
