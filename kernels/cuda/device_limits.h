// What the device of a tensor offers a block, for kernels that want more than every device has.
#pragma once

#include <cstddef>

#include "core/tensor.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

std::size_t shared_bytes_of(const Tensor& x);  // shared memory

}  // namespace weft::cuda::WEFT_CUDA_BUILD
