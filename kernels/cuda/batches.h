// The axes in front of the matrices of a batched product: where the operands of product number i begin.
#pragma once

#include <cstdint>

#include "core/tensor.h"
#include "kernels/cuda/launch.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

// Innermost first, with the steps of both operands (0 where one is broadcast).
struct Batches {
  int axes = 0;
  std::int64_t sizes[kMaxRank] = {}, left[kMaxRank] = {}, right[kMaxRank] = {};

  // From the first matrices to those of product number `index`.
  template <typename T>
  __device__ void move(std::int64_t index, const T*& a, const T*& b) const {
    for (int axis = 0; axis < axes; ++axis) {
      const std::int64_t at = index % sizes[axis];
      a += at * left[axis];
      b += at * right[axis];
      index /= sizes[axis];
    }
  }
};

// a and b have the same axes in front of their last two.
inline Batches batches_of(const Tensor& a, const Tensor& b) {
  Batches batches;
  for (int axis = a.rank() - 3; axis >= 0; --axis) {
    batches.sizes[batches.axes] = a.shape()[axis];
    batches.left[batches.axes] = a.strides()[axis];
    batches.right[batches.axes++] = b.strides()[axis];
  }
  return batches;
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
