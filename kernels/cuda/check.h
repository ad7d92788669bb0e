// Turns a failed call of the CUDA runtime into weft::Error.
#pragma once

#include <cuda_runtime.h>

#include "core/error.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

// what: the call, as in "cudaMalloc of 1024 bytes".
template <typename... Parts>
void check(cudaError_t error, const Parts&... what) {
  if (error == cudaSuccess) [[likely]]
    return;
  cudaGetLastError();  // the error is reported here; later calls start afresh
  fail(ErrorKind::internal, "cuda", what..., ": ", cudaGetErrorString(error));
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
