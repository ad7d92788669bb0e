// The emulated device's half of kernels/cuda/hardware/weft_libraries.h: there are none.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace weft::cuda::WEFT_CUDA_BUILD {

inline std::vector<std::pair<std::string, std::string>> library_versions() { return {}; }

}  // namespace weft::cuda::WEFT_CUDA_BUILD
