// StridedLoop: walks several tensors of one shape together, whatever their strides. Axes are sorted by the strides of
// one of them and merged where all agree, so that the inner loop ("columns") is as long and as contiguous as can be.
#pragma once

#include <array>
#include <cstdint>

#include "core/layout.h"
#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {

template <int Operands>
struct StridedLoop {
  std::int64_t rows = 1;                      // product of all axes but the innermost
  std::int64_t columns = 1;                   // size of the innermost axis
  std::array<std::int64_t, Operands> step{};  // strides of the innermost axis

  // `leader` is the operand whose strides order the axes: the one that is written.
  StridedLoop(const Shape& shape, const std::array<Strides, Operands>& strides, int leader) {
    int order[kMaxRank];
    int count = 0;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] == 1) continue;
      int at = count++;
      for (; at > 0 && strides[leader][order[at - 1]] < strides[leader][axis]; --at) order[at] = order[at - 1];
      order[at] = axis;
    }
    for (int i = 0; i < count; ++i) {
      const int axis = order[i];
      if (axes_ > 0 && mergeable(strides, axis, shape[axis])) {
        size_[axes_ - 1] *= shape[axis];
        --axes_;
      } else {
        size_[axes_] = shape[axis];
      }
      for (int k = 0; k < Operands; ++k) stride_[k][axes_] = strides[k][axis];
      ++axes_;
    }
    if (axes_ == 0) return;
    --axes_;  // the innermost is the columns
    columns = size_[axes_];
    for (int k = 0; k < Operands; ++k) step[k] = stride_[k][axes_];
    for (int i = 0; i < axes_; ++i) rows *= size_[i];
  }

  // Offset of a row's first element in each operand.
  std::array<std::int64_t, Operands> row_offsets(std::int64_t row) const {
    std::array<std::int64_t, Operands> at{};
    for (int i = axes_ - 1; i >= 0; --i) {
      const std::int64_t index = row % size_[i];
      row /= size_[i];
      for (int k = 0; k < Operands; ++k) at[k] += index * stride_[k][i];
    }
    return at;
  }

 private:
  // Whether one step along the last axis so far equals `size` steps along this one, in every operand.
  bool mergeable(const std::array<Strides, Operands>& strides, int axis, std::int64_t size) const {
    for (int k = 0; k < Operands; ++k)
      if (stride_[k][axes_ - 1] != strides[k][axis] * size) return false;
    return true;
  }

  int axes_ = 0;
  std::int64_t size_[kMaxRank] = {};
  std::int64_t stride_[Operands][kMaxRank] = {};
};

}  // namespace weft::cpu::WEFT_CPU_LEVEL
