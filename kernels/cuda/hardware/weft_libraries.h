// The module for GPUs comes with candidates over NVIDIA's libraries; `weft devices` shows their versions.
#pragma once

#include "kernels/nvidia/library.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

using nvidia::library_versions;

}  // namespace weft::cuda::WEFT_CUDA_BUILD
