// Rows of joining, splitting and picking.
#include "core/ops/index.h"

#include <numeric>

#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

Array concat_reference(const Arrays& in, const Attributes& a) {
  const int axis = int(a.integer("axis"));
  Shape shape = in[0].shape;
  shape[axis] = 0;
  for (const Array& x : in) shape[axis] += x.shape[axis];
  Array y(shape);
  std::int64_t begin = 0;
  for (const Array& x : in) {
    for (std::size_t i = 0; i < x.values.size(); ++i) {
      Sizes index = index_at(x.shape, std::int64_t(i));
      index[axis] += begin;
      y.values[std::size_t(position_of(shape, index))] = x.values[i];
    }
    begin += x.shape[axis];
  }
  return y;
}
OpCase concat_row(std::vector<Shape> shapes, int axis) {
  OpCase out{.op = "concat",
             .attributes = {{"axis", axis}},
             .run = [](In in, const Attributes& a) { return concat(in, int(a.integer("axis"))); },
             .reference = concat_reference};
  for (const Shape& shape : shapes) out.inputs.push_back({.shape = shape});
  return out;
}

// One part of a split: the others get no gradient.
OpCase split_row(Shape shape, std::vector<double> sizes, int axis, int part) {
  return {.op = "split",
          .inputs = {{.shape = shape}},
          .attributes = {{"sizes", sizes}, {"axis", axis}, {"part", part}},
          .run =
              [](In in, const Attributes& a) {
                return split(in[0], a.list("sizes"), int(a.integer("axis")))[std::size_t(a.integer("part"))];
              },
          .reference =
              [](const Arrays& in, const Attributes& a) {
                const auto sizes = a.list("sizes");
                const auto part = std::size_t(a.integer("part"));
                const int axis = int(a.integer("axis"));
                Shape shape = in[0].shape;
                shape[axis] = sizes[part];
                const std::int64_t begin = std::accumulate(sizes.begin(), sizes.begin() + std::ptrdiff_t(part), 0L);
                Array y(shape);
                for (std::size_t i = 0; i < y.values.size(); ++i) {
                  Sizes index = index_at(shape, std::int64_t(i));
                  index[axis] += begin;
                  y.values[i] = in[0].values[std::size_t(position_of(in[0].shape, index))];
                }
                return y;
              }};
}

OpInput index_input(Shape shape, std::int64_t bound, DType dtype = DType::i64) {
  return {.shape = shape, .low = 0, .high = double(bound), .integers = true, .dtype = dtype, .name = "index"};
}

OpCase one_hot_row(Shape shape, int classes, DType index) {
  return {.op = "one_hot",
          .inputs = {index_input(shape, classes, index)},
          .attributes = {{"classes", classes}},
          .run = [](In in, const Attributes& a) { return one_hot(in[0], a.integer("classes")); },
          .reference =
              [](const Arrays& in, const Attributes& a) {
                Shape shape = in[0].shape;
                shape.push_back(a.integer("classes"));
                Array y(shape);
                for (std::size_t i = 0; i < in[0].values.size(); ++i)
                  y.values[i * std::size_t(a.integer("classes")) + std::size_t(in[0].values[i])] = 1;
                return y;
              },
          .differentiable = false,
          .dtypes = {DType::f32}};
}

OpCase gather_row(Shape x, int axis, Shape index, DType dtype = DType::i64) {
  return {.op = "gather",
          .inputs = {{.shape = x, .name = "x"}, index_input(index, x[axis], dtype)},
          .attributes = {{"axis", axis}},
          .run = [](In in, const Attributes& a) { return gather(in[0], int(a.integer("axis")), in[1]); },
          .reference =
              [](const Arrays& in, const Attributes& a) {
                Array y(in[1].shape);
                for (std::size_t i = 0; i < y.values.size(); ++i) {
                  Sizes at = index_at(y.shape, std::int64_t(i));
                  at[int(a.integer("axis"))] = std::int64_t(in[1].values[i]);
                  y.values[i] = in[0].values[std::size_t(position_of(in[0].shape, at))];
                }
                return y;
              },
          .gradient_reduction = double(index.elements())};
}

OpCase index_select_row(Shape x, int axis, std::int64_t picks, DType dtype = DType::i64) {
  return {.op = "index_select",
          .inputs = {{.shape = x, .name = "x"}, index_input({picks}, x[axis], dtype)},
          .attributes = {{"axis", axis}},
          .run = [](In in, const Attributes& a) { return index_select(in[0], int(a.integer("axis")), in[1]); },
          .reference =
              [](const Arrays& in, const Attributes& a) {
                const int axis = int(a.integer("axis"));
                Shape shape = in[0].shape;
                shape[axis] = in[1].shape[0];
                Array y(shape);
                for (std::size_t i = 0; i < y.values.size(); ++i) {
                  Sizes at = index_at(shape, std::int64_t(i));
                  at[axis] = std::int64_t(in[1].values[std::size_t(at[axis])]);
                  y.values[i] = in[0].values[std::size_t(position_of(in[0].shape, at))];
                }
                return y;
              },
          .gradient_reduction = double(picks)};
}

const bool registered = add_op_cases({
    concat_row({{2, 3, 4, 5}, {2, 1, 4, 5}, {2, 2, 4, 5}}, 1),
    concat_row({{2, 3}, {4, 3}}, 0),
    concat_row({{2, 3}, {2, 0}, {2, 1}}, 1),
    concat_row({{3}}, 0),
    split_row({2, 6, 4, 5}, {1, 3, 2}, 1, 1),
    split_row({5, 3}, {2, 0, 3}, 0, 2),
    one_hot_row({2}, 28, DType::i64),
    one_hot_row({3, 5}, 7, DType::u8),
    one_hot_row({0}, 4, DType::i32),
    gather_row({4, 7}, 1, {4, 3}),
    gather_row({4, 7}, 0, {9, 5}, DType::i32),
    gather_row({2, 3, 4}, 2, {2, 2, 6}, DType::u8),
    gather_row({4, 7}, 1, {4, 0}),
    index_select_row({6, 5}, 0, 11),
    index_select_row({2, 6, 4, 5}, 1, 4, DType::i32),
    index_select_row({6, 5}, 1, 3, DType::u8),
    index_select_row({6, 5}, 0, 0),
    index_select_row({50, 900}, 0, 300),
});

}  // namespace
}  // namespace weft::tools
