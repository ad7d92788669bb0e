// What a training step of a net will need at most, planned from shapes: the step runs on a batch of no samples, which
// computes nothing, and each tensor's size is told with the batch size in place of the empty axis. What kernels take
// for the length of a call is not among it, nor what the allocator rounds up.
#pragma once

#include <cstdint>

#include "train/config.h"

namespace weft::tools {

struct PlannedMemory {
  std::int64_t weights = 0;    // parameters and buffers, in bytes as all of these
  std::int64_t gradients = 0;  // of the parameters
  std::int64_t optimizer = 0;  // its state
  std::int64_t kept = 0;       // at the end of forward: what backward needs, and the batch
  std::int64_t transient = 0;  // what backward and update add to these at most
  std::int64_t peak() const { return weights + gradients + optimizer + kept + transient; }
};

// Of the configuration's net, optimizer, batch size and mixed precision, on the CPU.
PlannedMemory planned_memory(train::Config config);

}  // namespace weft::tools
