// Numerics: what kernels of libraries may give up for speed, for the whole process. Off by default: f32 is f32, and
// the same call gives the same bits.
#pragma once

#include <cstdint>

#include "core/export.h"

namespace weft {

struct Numerics {
  bool tf32 = false;              // tensor cores may round f32 operands to TF32 (10 bits of mantissa)
  bool nondeterministic = false;  // kernels may add in an order that changes from run to run
  std::int64_t workspace_limit = std::int64_t{1} << 30;  // bytes of scratch memory that one call may take
};

WEFT_API Numerics numerics();
WEFT_API void set_numerics(const Numerics& wanted);  // for the calls that come after

}  // namespace weft
