// KernelPlanner: what the libraries of a backend's module would run a call with on a GPU that need not be here. The
// CUDA module registers one when it is loaded; loading it needs no driver, only using a device does.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/layout.h"
#include "core/ops/conv2d.h"

namespace weft {

// A call of one of the slots of conv2d or normalized_conv2d, without its data.
struct ConvolutionCall {
  std::string slot;  // "conv2d_forward", "conv2d_bias_relu_forward", "normalized_conv2d_backward_data", …
  DType dtype = DType::f32;
  MemoryFormat format = MemoryFormat::channels_last;
  Shape x, weight;
  Conv2dOptions options = {};
  bool bias = false;  // of the forward slot
};

struct PlannedKernel {
  std::string candidate = {};        // "cudnn.graph"; empty when the libraries refuse
  std::string engine = {};           // as the library names it
  std::int64_t workspace_bytes = 0;  // of scratch memory
  std::string refusal = {};          // why there is none
};

class WEFT_API KernelPlanner {
 public:
  virtual ~KernelPlanner();
  virtual std::vector<std::string> gpus() const = 0;                 // those it knows by name
  virtual std::string describe(const std::string& gpu) const = 0;    // "NVIDIA H200, compute 9.0; cuDNN 9.19.0"
  virtual std::string properties(const std::string& gpu) const = 0;  // as cuDNN writes them in JSON
  // gpu: a name, a device of this machine ("cuda:0"), or a file of device properties. Unknown ones are Error(usage),
  // unreadable ones Error(data).
  virtual PlannedKernel plan(const std::string& gpu, const ConvolutionCall& call) const = 0;
};

// Loads the CUDA module when first asked; throws Error(usage) where this build of weft has none that plans.
WEFT_API const KernelPlanner& kernel_planner();
WEFT_API bool register_kernel_planner(const KernelPlanner* planner);  // always true, so that it can be an initialiser

}  // namespace weft
