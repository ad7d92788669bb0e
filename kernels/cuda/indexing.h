// What kernels over tensors of any strides start from: the operands' axes merged, and a thread's place in a loop that
// counts in 32 bits. Offsets (kernels/offsets.h) leads from there to addresses.
#pragma once

#include <cuda_runtime.h>

#include "core/tensor.h"
#include "kernels/offsets.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

// The merged axes of operands that broadcast to the shape of the last one, in that one's memory order.
template <int N>
MergedAxes<N> merge_axes(const Tensor* const (&operands)[N]) {
  std::array<Strides, N> strides;
  for (int k = 0; k < N; ++k)
    strides[std::size_t(k)] = broadcast_strides(operands[k]->layout(), operands[N - 1]->shape());
  return MergedAxes<N>(operands[N - 1]->shape(), strides, N - 1);
}

// This thread's place in a grid-stride loop over one axis, and the loop's step.
__device__ inline unsigned first_index() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ inline unsigned index_step() { return gridDim.x * blockDim.x; }

}  // namespace weft::cuda::WEFT_CUDA_BUILD
