// Which instruction level of the CPU kernels this process runs: "avx512", "v3", or "generic" where they are compiled
// once. Decided when libweft is loaded (see cmake/cpu_levels.cmake).
#pragma once

#include <string_view>

#include "core/export.h"

namespace weft {

WEFT_API std::string_view cpu_level();

}  // namespace weft
