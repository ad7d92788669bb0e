// What a profiler sees of weft: NVTX ranges (domain "weft") around layers, kernel calls, phases and steps, and the
// layer that this thread is in, to which memory is booked. When no tool listens a range costs one load and one branch.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/export.h"
#include "core/scoped.h"

namespace weft {

class Tensor;

// NVTX categories.
enum class Phase : std::uint8_t { step, forward, backward, optim, comm, data, eval, io, count };

namespace detail {
WEFT_API extern const bool profiler_listens;  // set when libweft is loaded
WEFT_API bool find_profiler();                // the same, for initialisers
WEFT_API void push_range(Phase phase, std::string_view name, std::uint64_t payload);
WEFT_API void pop_range();
}  // namespace detail

// Whether a tool such as nsys was attached when the process started.
inline bool profiling() { return detail::profiler_listens; }

// A range for as long as it lives; ranges nest. The payload is a number shown beside the name, such as the step's.
class ProfileRange {
 public:
  explicit ProfileRange(Phase phase, std::string_view name, std::uint64_t payload = 0) {
    if (profiling()) [[unlikely]]
      detail::push_range(phase, name, payload);
  }
  ~ProfileRange() {
    if (profiling()) [[unlikely]]
      detail::pop_range();
  }
  ProfileRange(const ProfileRange&) = delete;
  ProfileRange& operator=(const ProfileRange&) = delete;
};

// The range of one kernel call: "conv1 | conv2d_forward | 256x1x28x28 f32 nchw | seq=7", with the layer that is
// running, the first tensor of the call, and the number of the autograd node, which forward and backward share.
class WEFT_API KernelRange {
 public:
  KernelRange(const char* slot, const Tensor* first);
  ~KernelRange();
  KernelRange(const KernelRange&) = delete;
  KernelRange& operator=(const KernelRange&) = delete;
};

// --- layers
// -------------------------------------------------------------------------------------------------------------

// The layer that runs on this thread, as "layer1.0.conv2"; in a backward pass the one whose gradient is computed;
// "outside layers" elsewhere.
WEFT_API const char* current_layer();
// A copy of the text that lives as long as the process, the same for the same text.
WEFT_API const char* interned(std::string_view text);

// Makes a layer the current one for as long as it lives. The text must be interned or a literal.
class WEFT_API LayerScope {
 public:
  explicit LayerScope(const char* layer);

 private:
  Scoped<const char*> layer_;
};
}  // namespace weft
