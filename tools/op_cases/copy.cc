// Rows of conversions, copies and views, which the Tensor methods are.
#include "core/ops/copy.h"

#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

const std::vector<DType> kAll = {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i32, DType::i64, DType::u8};

// Whole numbers that every dtype holds.
OpCase convert_row(const char* dtype, Shape shape) {
  return {.op = "to",
          .inputs = {{.shape = shape, .low = 0, .high = 100, .integers = true}},
          .attributes = {{"dtype", dtype}},
          .run = [](In in, const Attributes& a) { return in[0].to(*parse_dtype(a.text("dtype"))); },
          .reference = [](const Arrays& in, const Attributes&) { return in[0]; },
          .differentiable = std::string_view(dtype) == "f64",  // rounding hides what central differences look at
          .dtypes = kAll};
}
OpCase format_row(Shape shape) {
  return {.op = "to",
          .inputs = {{.shape = shape}},
          .attributes = {{"format", "channels-last"}},
          .run = [](In in, const Attributes& a) { return in[0].to(parse_memory_format(a.text("format"))); },
          .reference = [](const Arrays& in, const Attributes&) { return in[0]; }};
}
OpCase copy_row(Shape shape) {
  return {.op = "copy_",
          .inputs = {{.shape = shape, .name = "x"}},
          .run =
              [](In in, const Attributes&) {
                const Tensor y = empty_like(in[0]);
                copy_(y, in[0]);
                return y;
              },
          .reference = [](const Arrays& in, const Attributes&) { return in[0]; }};
}
OpCase fill_row(Shape shape) {
  return {.op = "fill_",
          .inputs = {{.shape = shape, .gradient = false}},
          .attributes = {{"value", 2.5}},
          .run =
              [](In in, const Attributes& a) {
                const Tensor y = in[0].clone();
                fill_(y, a.number("value"));
                return y;
              },
          .reference = [](const Arrays& in, const Attributes& a) { return Array(in[0].shape, a.number("value")); }};
}

using Run = Tensor (*)(In, const Attributes&);
using Reference = Array (*)(const Arrays&, const Attributes&);

// y at an index of its shape comes from where in x.
template <typename From>
Array picked(const Array& x, const Shape& shape, From from) {
  Array y(shape);
  for (std::size_t i = 0; i < y.values.size(); ++i)
    y.values[i] = x.values[std::size_t(position_of(x.shape, from(index_at(shape, std::int64_t(i)))))];
  return y;
}
OpCase view_row(const char* op, Shape shape, Attributes attributes, Run run, Reference reference) {
  return {.op = op,
          .inputs = {{.shape = shape}},
          .attributes = std::move(attributes),
          .run = run,
          .reference = reference,
          .gradient_reduction = 8};
}
Shape shape_of(const Attributes& a) {
  const auto sizes = a.list("shape");
  return Shape(std::span(sizes));
}
Tensor run_reshape(In in, const Attributes& a) { return in[0].reshape(shape_of(a)); }
Array reshape_reference(const Arrays& in, const Attributes& a) { return {shape_of(a), in[0].values}; }

Tensor run_transpose(In in, const Attributes&) { return in[0].transpose(); }
Array transpose_reference(const Arrays& in, const Attributes&) {
  const int last = in[0].shape.rank() - 1;
  const auto swapped = [last](auto index) {
    std::swap(index[last], index[last - 1]);
    return index;
  };
  return picked(in[0], swapped(in[0].shape), [&](const Sizes& index) { return swapped(index); });
}
Tensor run_slice(In in, const Attributes& a) {
  return in[0].slice(int(a.integer("axis")), a.integer("begin"), a.integer("end"), a.integer("step"));
}
Array slice_reference(const Arrays& in, const Attributes& a) {
  const int axis = int(a.integer("axis"));
  Shape shape = in[0].shape;
  shape[axis] = 0;
  for (std::int64_t i = a.integer("begin"); i < a.integer("end"); i += a.integer("step")) ++shape[axis];
  return picked(in[0], shape, [&](Sizes index) {
    index[axis] = a.integer("begin") + index[axis] * a.integer("step");
    return index;
  });
}
Tensor run_select(In in, const Attributes& a) { return in[0].select(int(a.integer("axis")), a.integer("index")); }
Array select_reference(const Arrays& in, const Attributes& a) {
  const int axis = int(a.integer("axis"));
  Shape shape = in[0].shape;
  shape.erase(axis);
  return picked(in[0], shape, [&](Sizes index) {
    index.insert(axis, a.integer("index"));
    return index;
  });
}
Tensor run_expand(In in, const Attributes& a) { return in[0].expand(shape_of(a)); }
Array expand_reference(const Arrays& in, const Attributes& a) {
  return map(in[0], Array(shape_of(a)), [](double x, double) { return x; });
}

const bool registered = add_op_cases({
    convert_row("f64", {2, 3, 4, 5}),
    convert_row("f32", {13, 7}),
    convert_row("f16", {13, 7}),
    convert_row("bf16", {13, 7}),
    convert_row("i32", {13, 7}),
    convert_row("i64", {2, 3, 4, 5}),
    convert_row("u8", {0, 3}),
    convert_row("f32", {2, 35, 6, 11}),
    convert_row("bf16", {2, 35, 6, 11}),
    convert_row("f16", {64, 128}),
    format_row({2, 3, 4, 5}),
    format_row({3, 1, 1, 7}),
    format_row({2, 67, 6, 11}),
    format_row({1, 64, 8, 8}),
    format_row({2, 17, 5, 7}),  // tiles of 16 and what is left
    format_row({2, 6, 3, 3}),
    copy_row({2, 3, 4, 5}),
    copy_row({66001}),
    copy_row({}),
    fill_row({2, 3, 4, 5}),
    fill_row({0}),
    view_row("reshape", {2, 3, 4, 5}, {{"shape", {6, 20}}}, run_reshape, reshape_reference),
    view_row("reshape", {4, 6}, {{"shape", {3, 8}}}, run_reshape, reshape_reference),
    view_row("transpose", {2, 3, 4, 5}, {}, run_transpose, transpose_reference),
    view_row("transpose", {4, 6}, {}, run_transpose, transpose_reference),
    view_row("transpose", {70, 131}, {}, run_transpose, transpose_reference),
    view_row("slice", {2, 6, 4, 5}, {{"axis", 1}, {"begin", 1}, {"end", 5}, {"step", 2}}, run_slice, slice_reference),
    view_row("slice", {4, 6}, {{"axis", 0}, {"begin", 1}, {"end", 3}, {"step", 1}}, run_slice, slice_reference),
    view_row("select", {2, 3, 4, 5}, {{"axis", 1}, {"index", 2}}, run_select, select_reference),
    view_row("expand", {3, 1, 5}, {{"shape", {2, 3, 4, 5}}}, run_expand, expand_reference),
});

}  // namespace
}  // namespace weft::tools
