// Graphs and plans: a Convolution as a graph of cuDNN's, planned for a GPU that is here or only described. The one
// place that includes cuDNN's C++ front end is graph.cc; it is slow to compile. Failures of the library are words, not
// throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/cudnn/convolution.h"

namespace weft::cudnn {

// What plans are made for.
class Gpu {
 public:
  struct Parts;  // cuDNN's
  explicit Gpu(std::unique_ptr<Parts> parts);
  ~Gpu();
  // All that a plan depends on beside its convolution: the GPU, its driver, the versions of cuDNN and the front end.
  const std::string& identity() const;
  Parts& parts() const { return *parts_; }

 private:
  std::unique_ptr<Parts> parts_;
};

// A GPU known by its device properties, as cuDNN writes them in JSON: plans for it are built on any machine, and cannot
// run. Throws Error(data) for properties that cuDNN does not read, Error(usage) where there is no cuDNN (>= 9.8).
std::unique_ptr<Gpu> described_gpu(std::string_view properties, const std::string& where);
// The properties of a GPU of this machine, as described_gpu() reads them. Throws Error(usage) where cuDNN has none.
std::string own_properties(int device);
// The GPU that is current in this thread, or why cuDNN cannot work on it. A Gpu is for one thread at a time. name: with
// its compute capability.
struct OpenedGpu {
  std::unique_ptr<Gpu> gpu;
  std::string refusal;
};
OpenedGpu current_gpu(const std::string& name);

// A graph that cuDNN has agreed to run.
class Plan {
 public:
  struct Parts;
  Plan(std::string engine, std::int64_t workspace_bytes, std::unique_ptr<Parts> parts);
  ~Plan();
  const std::string& engine() const { return engine_; }  // as cuDNN names it: "eng62_k2=4_…"
  std::int64_t workspace_bytes() const { return workspace_bytes_; }
  std::vector<std::uint8_t> serialized() const;  // empty when cuDNN cannot
  Parts& parts() const { return *parts_; }

 private:
  std::string engine_;
  std::int64_t workspace_bytes_;
  std::unique_ptr<Parts> parts_;
};

// A plan, or why there is none.
struct Outcome {
  std::shared_ptr<const Plan> plan;
  std::string refusal;
};

// The first engine in the order of cuDNN's heuristics that is deterministic and as exact as the convolution asks,
// precompiled (so that a plan made without the GPU is the one that runs, and no first step waits for a compiler) and
// within the limit of workspace.
Outcome build_plan(const Convolution& convolution, const Gpu& gpu);
// The plan that was serialized; refused when the bytes are none.
Outcome restore_plan(const Gpu& gpu, const std::string& engine, std::span<const std::uint8_t> bytes);

// What the graphs' tensors are called; kept plans know them by these numbers. (C,) and (K,) are numbers per channel of
// x and y, f32 unless something else is said.
enum Operand : std::int64_t {
  kX = 1,
  kWeight,  // the filter
  kY,
  kBias,              // of the convolution
  kScale,             // of the normalisation, in the images' dtype
  kShift,             // its like
  kSum,               // (K,), of y
  kSquares,           // (K,), of y * y
  kMean,              // (C,), and what follows: of the data gradient through a normalisation
  kInverseDeviation,  // 1 / sqrt(variance + eps)
  kNormWeight,
  kNormBias,
  kDz,  // like x
  kNormWeightGradient,
  kNormBiasGradient,
  kUnread1,  // three more (C,) that the graph writes
  kUnread2,
  kUnread3,
};
// Addresses on the device of all that the graph has; which is written follows from the convolution.
using Operands = std::vector<std::pair<Operand, void*>>;
// Enqueues the plan on the stream. Throws Error(internal) naming `where` when cuDNN fails.
void run_plan(const Plan& plan, const Gpu& gpu, void* stream, const Operands& operands, void* workspace,
              std::string_view where);

std::string library_version();   // of the cuDNN that was opened: "9.19.0"
int library_toolkit();           // the CUDA it was made for: 13
std::string frontend_version();  // of the front end that weft was built with

}  // namespace weft::cudnn
