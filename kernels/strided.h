// Walking several tensors of one shape together, whatever their strides; for the kernels of every backend. Axes are
// sorted by the strides of one of the tensors and merged where all agree, so that loops are as long and as contiguous
// as can be.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "core/layout.h"

namespace weft {

// The strides along the axes of the output's shape, 0 where x is broadcast.
inline Strides broadcast_strides(const Layout& x, const Shape& shape) {
  Strides strides = shape;
  const int added = shape.rank() - x.shape.rank();
  for (int axis = 0; axis < shape.rank(); ++axis)
    strides[axis] = axis < added || x.shape[axis - added] == 1 ? 0 : x.strides[axis - added];
  return strides;
}

// The merged axes, outermost first; a scalar has none.
template <int Operands>
struct MergedAxes {
  int axes = 0;
  std::int64_t size[kMaxRank] = {};
  std::int64_t stride[Operands][kMaxRank] = {};

  // `leader` is the operand whose strides order the axes: the one that is written.
  MergedAxes(const Shape& shape, const std::array<Strides, Operands>& strides, int leader) {
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
      if (axes > 0 && mergeable(strides, axis, shape[axis])) {
        size[axes - 1] *= shape[axis];
        --axes;
      } else {
        size[axes] = shape[axis];
      }
      for (int k = 0; k < Operands; ++k) stride[k][axes] = strides[k][axis];
      ++axes;
    }
  }

  std::int64_t elements() const {
    std::int64_t product = 1;
    for (int i = 0; i < axes; ++i) product *= size[i];
    return product;
  }

 private:
  // Whether one step along the last axis so far equals `n` steps along this one, in every operand.
  bool mergeable(const std::array<Strides, Operands>& strides, int axis, std::int64_t n) const {
    for (int k = 0; k < Operands; ++k)
      if (stride[k][axes - 1] != strides[k][axis] * n) return false;
    return true;
  }
};

// The same as two nested loops: rows, and columns along the innermost axis. What does more with another axis than visit
// its elements (transposing, say) takes that axis out of the rows.
template <int Operands>
struct StridedLoop {
  std::int64_t rows = 1;                      // product of all axes but the innermost
  std::int64_t columns = 1;                   // size of the innermost axis
  std::array<std::int64_t, Operands> step{};  // strides of the innermost axis

  StridedLoop(const Shape& shape, const std::array<Strides, Operands>& strides, int leader)
      : merged_(shape, strides, leader) {
    if (merged_.axes == 0) return;
    outer_ = merged_.axes - 1;
    columns = merged_.size[outer_];
    for (int k = 0; k < Operands; ++k) step[k] = merged_.stride[k][outer_];
    for (int i = 0; i < outer_; ++i) rows *= merged_.size[i];
  }

  // Offset of a row's first element in each operand.
  std::array<std::int64_t, Operands> row_offsets(std::int64_t row) const {
    std::array<std::int64_t, Operands> at{};
    for (int i = outer_ - 1; i >= 0; --i) {
      const std::int64_t index = row % merged_.size[i];
      row /= merged_.size[i];
      for (int k = 0; k < Operands; ++k) at[k] += index * merged_.stride[k][i];
    }
    return at;
  }

  struct Axis {
    std::int64_t size;
    std::array<std::int64_t, Operands> stride;
  };

  // Takes the axis along which the operand's elements are adjacent out of the rows, if there is one.
  std::optional<Axis> take_adjacent(int operand) {
    for (int i = 0; i < outer_; ++i) {
      if (merged_.stride[operand][i] != 1) continue;
      Axis taken{merged_.size[i], {}};
      for (int k = 0; k < Operands; ++k) {
        std::int64_t* const stride = merged_.stride[k];
        taken.stride[k] = stride[i];
        std::copy(stride + i + 1, stride + outer_, stride + i);
      }
      std::copy(merged_.size + i + 1, merged_.size + outer_, merged_.size + i);
      --outer_;
      rows /= taken.size;
      return taken;
    }
    return std::nullopt;
  }

 private:
  MergedAxes<Operands> merged_;
  int outer_ = 0;
};

}  // namespace weft
