#include "core/shape.h"

namespace weft {

std::string to_string(const Sizes& sizes) {
  std::string text = "(";
  for (int axis = 0; axis < sizes.rank(); ++axis) {
    if (axis > 0) text += ", ";
    text += std::to_string(sizes[axis]);
  }
  return text += sizes.rank() == 1 ? ",)" : ")";
}

int normalize_axis(int axis, int rank, std::string_view op) {
  require(axis >= -rank && axis < rank, op, "axis ", axis, " is out of range for a tensor with ", rank, " axes");
  return axis < 0 ? axis + rank : axis;
}

Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view op) {
  if (a == b) return a;
  Shape result = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  const int shift = result.rank() - shorter.rank();
  for (int axis = 0; axis < shorter.rank(); ++axis) {
    std::int64_t& size = result[axis + shift];
    const std::int64_t other = shorter[axis];
    require(size == other || size == 1 || other == 1, op, "shapes ", a, " and ", b, " do not broadcast");
    if (size == 1) size = other;
  }
  return result;
}

}  // namespace weft
