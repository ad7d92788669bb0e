// Array: a row-major array of doubles, the only type of the op table's references. The references are naive loops
// that share no code with the ops they judge; nothing here is fast and nothing here uses a Tensor.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <utility>
#include <vector>

#include "core/shape.h"

namespace weft::tools {

struct Array {
  Shape shape;
  std::vector<double> values;

  Array() = default;
  explicit Array(const Shape& s, double value = 0) : shape(s), values(std::size_t(s.elements()), value) {}
  Array(const Shape& s, std::vector<double> v) : shape(s), values(std::move(v)) {}

  std::int64_t size(int axis) const { return shape[axis < 0 ? axis + shape.rank() : axis]; }
  std::int64_t position(std::initializer_list<std::int64_t> index) const {
    std::int64_t at = 0;
    int axis = 0;
    for (const std::int64_t i : index) at = at * shape[axis++] + i;
    return at;
  }
  // a(n, c, h, w): one index per axis.
  template <typename... Index>
  double& operator()(Index... index) {
    return values[std::size_t(position({std::int64_t(index)...}))];
  }
  template <typename... Index>
  double operator()(Index... index) const {
    return values[std::size_t(position({std::int64_t(index)...}))];
  }
};

// The multi-index of a row-major position, and back.
inline Sizes index_at(const Shape& shape, std::int64_t position) {
  Sizes index = shape;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index[axis] = position % shape[axis];
    position /= shape[axis];
  }
  return index;
}
inline std::int64_t position_of(const Shape& shape, const Sizes& index) {
  std::int64_t at = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) at = at * shape[axis] + index[axis];
  return at;
}

// The value that `a` shows at an index of the larger shape it broadcasts to.
inline double broadcast_value(const Array& a, const Sizes& index) {
  const int shift = index.rank() - a.shape.rank();
  std::int64_t at = 0;
  for (int axis = 0; axis < a.shape.rank(); ++axis)
    at = at * a.shape[axis] + (a.shape[axis] == 1 ? 0 : index[axis + shift]);
  return a.values[std::size_t(at)];
}

// y[i] = f(x[i]).
template <typename F>
Array map(const Array& x, F f) {
  Array y(x.shape);
  for (std::size_t i = 0; i < x.values.size(); ++i) y.values[i] = f(x.values[i]);
  return y;
}
// y[i] = f(a[i], b[i]) with broadcasting.
template <typename F>
Array map(const Array& a, const Array& b, F f) {
  Array y(broadcast_shapes(a.shape, b.shape, "reference"));
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    const Sizes index = index_at(y.shape, std::int64_t(i));
    y.values[i] = f(broadcast_value(a, index), broadcast_value(b, index));
  }
  return y;
}

// f over all values along the given axes (empty: all), each result at its place; the axes stay with size 1 or go.
using Reducer = std::function<double(const std::vector<double>&)>;
inline Array reduce(const Array& x, std::vector<std::int64_t> axes, bool keep, const Reducer& f) {
  bool reduced[kMaxRank] = {};
  for (int axis = 0; axis < x.shape.rank(); ++axis) reduced[axis] = axes.empty();
  for (const std::int64_t axis : axes) reduced[axis < 0 ? axis + x.shape.rank() : axis] = true;
  Shape kept = x.shape, dropped;
  for (int axis = 0; axis < x.shape.rank(); ++axis) {
    if (reduced[axis])
      kept[axis] = 1;
    else
      dropped.push_back(x.shape[axis]);
  }
  std::vector<std::vector<double>> groups(std::size_t(kept.elements()));
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    Sizes index = index_at(x.shape, std::int64_t(i));
    for (int axis = 0; axis < index.rank(); ++axis)
      if (reduced[axis]) index[axis] = 0;
    groups[std::size_t(position_of(kept, index))].push_back(x.values[i]);
  }
  Array y(keep ? kept : dropped);
  for (std::size_t i = 0; i < groups.size(); ++i) y.values[i] = f(groups[i]);
  return y;
}

}  // namespace weft::tools
