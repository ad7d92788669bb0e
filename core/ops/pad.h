// Padding: a border of one value around the last axes of a tensor.
#pragma once

#include "core/tensor.h"

namespace weft {

// What is added in front of an axis and behind it.
struct Border {
  std::int64_t before = 0, after = 0;
};

// y = x with borders of `value`, the last of them around the last axis: pad(x, {{top, bottom}, {left, right}}). At most
// one border an axis, none negative (use slice to cut). y keeps channels-last, else it is contiguous. Any dtype.
WEFT_API Tensor pad(const Tensor& x, std::span<const Border> borders, double value = 0);
inline Tensor pad(const Tensor& x, std::initializer_list<Border> borders, double value = 0) {
  return pad(x, std::span(borders.begin(), borders.size()), value);
}

}  // namespace weft
