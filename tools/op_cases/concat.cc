#include "core/ops/concat.h"

#include "core/ops/pad.h"
#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

Array concat_reference(const Arrays& in, const Attributes& a) {
  const int axis = normalize_axis(int(a.integer("axis")), in[0].shape.rank(), "reference");
  Shape shape = in[0].shape;
  shape[axis] = 0;
  for (const Array& x : in) shape[axis] += x.shape[axis];
  Array y(shape);
  for (std::size_t at = 0; at < y.values.size(); ++at) {
    Sizes i = index_at(shape, std::int64_t(at));
    std::size_t k = 0;
    while (i[axis] >= in[k].shape[axis]) i[axis] -= in[k++].shape[axis];
    y.values[at] = broadcast_value(in[k], i);
  }
  return y;
}
Tensor run_concat(In in, const Attributes& a) { return concat(in, int(a.integer("axis"))); }

OpCase joined(std::vector<Shape> shapes, int axis) {
  OpCase row{.op = "concat", .attributes = {{"axis", axis}}, .run = run_concat, .reference = concat_reference};
  for (const Shape& shape : shapes) row.inputs.push_back({.shape = shape});
  row.dtypes = {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i32, DType::u8};
  return row;
}

Array pad_reference(const Arrays& in, const Attributes& a) {
  const Array& x = in[0];
  const auto borders = a.list("borders");
  const int axes = int(borders.size() / 2), first = x.shape.rank() - axes;
  Shape shape = x.shape;
  for (int i = 0; i < axes; ++i) shape[first + i] += borders[std::size_t(2 * i)] + borders[std::size_t(2 * i + 1)];
  Array y(shape);
  for (std::size_t at = 0; at < y.values.size(); ++at) {
    Sizes i = index_at(shape, std::int64_t(at));
    bool inside = true;
    for (int k = 0; k < axes; ++k) {
      i[first + k] -= borders[std::size_t(2 * k)];
      inside = inside && i[first + k] >= 0 && i[first + k] < x.shape[first + k];
    }
    y.values[at] = inside ? broadcast_value(x, i) : a.number("value");
  }
  return y;
}
Tensor run_pad(In in, const Attributes& a) {
  const auto numbers = a.list("borders");
  std::vector<Border> borders;
  for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) borders.push_back({numbers[i], numbers[i + 1]});
  return pad(in[0], borders, a.number("value"));
}
OpCase bordered(Shape x, std::vector<double> borders, double value) {
  return {.op = "pad",
          .inputs = {{.shape = x}},
          .attributes = {{"borders", borders}, {"value", value}},
          .run = run_pad,
          .reference = pad_reference,
          .dtypes = {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i32}};
}

const bool registered = add_op_cases({
    joined({{2, 3, 5, 4}, {2, 8, 5, 4}, {2, 1, 5, 4}}, 1),
    joined({{2, 16, 3, 3}, {2, 32, 3, 3}}, 1),
    joined({{2, 3, 5, 4}, {2, 3, 1, 4}}, -2),
    joined({{1, 3}, {4, 3}, {2, 3}}, 0),
    joined({{3}, {0}, {5}}, 0),
    joined({{2, 7}}, 1),
    joined({{0, 3, 2, 2}, {0, 5, 2, 2}}, 1),
    bordered({2, 3, 5, 4}, {1, 2, 0, 3}, 0),
    bordered({2, 8, 3, 3}, {1, 1, 1, 1}, -2),
    bordered({5}, {2, 0}, 1),
    bordered({2, 2, 3, 3}, {0, 1, 1, 0, 2, 0}, 3),
    bordered({2, 3}, {0, 0}, 5),
    bordered({0, 3, 2, 2}, {1, 1, 1, 1}, 2),
});

}  // namespace
}  // namespace weft::tools
