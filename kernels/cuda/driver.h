// Which NVIDIA drivers the module can run on. Versions are CUDA's numbers: 12040 is 12.4.
#pragma once

#include <algorithm>

namespace weft::cuda {

// weft asks for CUDA 12.4, and the CUDA runtime within the module for a driver of its own major version.
constexpr int oldest_driver(int runtime_version) { return std::max(12040, runtime_version / 1000 * 1000); }

}  // namespace weft::cuda
