#include "core/ops/layer_norm.h"

#include <cmath>

#include "core/ops/group_norm.h"
#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

// Normalises runs of `columns` adjacent numbers; weight_of(position) names an element's weight.
Array normalized(const Arrays& in, std::int64_t columns, double eps,
                 const std::function<std::int64_t(std::int64_t)>& weight_of) {
  Array y = in[0];
  for (std::int64_t first = 0; first < y.shape.elements(); first += columns) {
    double mean = 0, variance = 0;
    const auto value = [&](std::int64_t i) { return in[0].values[std::size_t(first + i)]; };
    for (std::int64_t i = 0; i < columns; ++i) mean += value(i) / double(columns);
    for (std::int64_t i = 0; i < columns; ++i) variance += (value(i) - mean) * (value(i) - mean) / double(columns);
    for (std::int64_t i = 0; i < columns; ++i) {
      const auto w = std::size_t(weight_of(first + i));
      y.values[std::size_t(first + i)] =
          (value(i) - mean) / std::sqrt(variance + eps) * in[1].values[w] + in[2].values[w];
    }
  }
  return y;
}

Array layer_reference(const Arrays& in, const Attributes& a) {
  const std::int64_t columns = in[1].shape.elements();
  return normalized(in, columns, a.number("eps"), [=](std::int64_t at) { return at % columns; });
}
Tensor run_layer(In in, const Attributes& a) {
  return layer_norm(in[0], in[1], in[2], {.axes = int(a.integer("axes")), .eps = a.number("eps")});
}
Array group_reference(const Arrays& in, const Attributes& a) {
  const std::int64_t channels = in[0].size(1),
                     span = in[0].shape.elements() / std::max<std::int64_t>(1, in[0].size(0) * channels);
  return normalized(in, channels / a.integer("groups") * span, a.number("eps"),
                    [=](std::int64_t at) { return at / span % channels; });
}
Tensor run_group(In in, const Attributes& a) {
  return group_norm(in[0], in[1], in[2], {.groups = a.integer("groups"), .eps = a.number("eps")});
}

OpCase row(const char* op, Shape x, Shape weight, Attributes attributes, double columns, double sharing) {
  return {.op = op,
          .inputs = {{.shape = x, .name = "x"},
                     {.shape = weight, .low = 0.5, .high = 1.5, .name = "weight"},
                     {.shape = weight, .name = "bias"}},
          .attributes = std::move(attributes),
          .run = std::string(op) == "layer_norm" ? run_layer : run_group,
          .reference = std::string(op) == "layer_norm" ? layer_reference : group_reference,
          .reduction = 4 + std::sqrt(columns),
          .gradient_reduction = 16 + columns + sharing};
}
OpCase layer(Shape x, int axes) {
  Shape weight;
  for (int axis = x.rank() - axes; axis < x.rank(); ++axis) weight.push_back(x[axis]);
  const double columns = double(weight.elements());
  return row("layer_norm", x, weight, {{"axes", axes}, {"eps", 1e-3}}, columns, double(x.elements()) / columns);
}
OpCase group(Shape x, int groups) {
  const double all = double(x.elements());
  return row("group_norm", x, {x[1]}, {{"groups", groups}, {"eps", 1e-3}},
             all / double(std::max<std::int64_t>(1, x[0]) * groups), all / double(x[1]));
}

const bool registered = add_op_cases({
    layer({4, 7}, 1),
    layer({3, 2, 16}, 1),
    layer({2, 3, 4, 5}, 2),
    layer({2, 3, 4, 5}, 3),
    layer({70, 33}, 1),
    layer({2, 1031}, 1),
    layer({1, 2304}, 1),
    layer({300, 64}, 1),
    layer({0, 5}, 1),
    group({2, 6, 4, 5}, 3),
    group({2, 6, 4, 5}, 1),
    group({3, 8, 5, 5}, 8),
    group({1, 64, 8, 8}, 4),
    group({5, 12}, 4),
    group({2, 4, 7}, 2),
    group({0, 4, 3, 3}, 2),
});

}  // namespace
}  // namespace weft::tools
