// CapturedStep: device work that is recorded once, a CUDA graph, and then replayed as a whole, which spares the host
// the time of launching each kernel. What changes from step to step must live on the device: inputs are copied into the
// same tensors, learning rate and step number are the optimizer's (Optimizer::advance), random streams move on by
// themselves. Replays give the bits that running the same code would have given.
#pragma once

#include <cstdint>
#include <functional>

#include "core/runtime/runtime.h"
#include "core/tensor.h"

namespace weft {

// Changes when this thread begins or ends a recording and with each replay: what was computed from tensors under
// another number may be stale, although no version tells.
WEFT_API std::uint64_t recording_epoch();

class WEFT_API CapturedStep {
 public:
  // Error(usage) for a kind of device that records nothing, such as the CPU.
  explicit CapturedStep(Device device);
  ~CapturedStep();
  CapturedStep(const CapturedStep&) = delete;
  CapturedStep& operator=(const CapturedStep&) = delete;

  // Calls body once. The work it gives to the device is recorded, not run; tensors it makes keep their addresses for
  // all replays. body must not wait for the device, nor copy from the host, nor depend on values it has not read.
  void record(const std::function<void()>& body);
  bool recorded() const { return graph_.handle != nullptr; }
  // Runs the recorded work once, ordered on the device's current stream. Draws the random streams that body would draw.
  void replay();

 private:
  Device device_;
  Graph graph_;
  Tensor advance_;             // (1,) i64 on the device: how far the random streams have moved on
  std::uint64_t seed_ = 0;     // of the generator when the step was recorded
  std::uint64_t first_ = 0;    // its next stream then
  std::uint64_t streams_ = 0;  // how many the body draws
};

}  // namespace weft
