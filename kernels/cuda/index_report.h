// How kernels report an index that lies outside its axis.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/streams.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

// Whether the index lies in [0, size); leaves a note if not. `op` is handed through to the message.
__device__ inline bool index_fits(IndexReport* report, const char* op, bool data_error, std::int64_t index,
                                  std::int64_t position, std::int64_t size) {
  if (index >= 0 && index < size) return true;
  if (atomicCAS(&report->set, 0, 1) == 0) {
    report->data_error = data_error;
    report->op = op;
    report->index = index;
    report->position = position;
    report->size = size;
  }
  return false;
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
