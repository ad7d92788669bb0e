#include "core/ops/conv2d.h"

#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

// The definition, seven loops deep.
Array reference(const Arrays& in, const Attributes& a) {
  const Array &x = in[0], &weight = in[1];
  const auto stride = a.list("stride"), padding = a.list("padding"), dilation = a.list("dilation");
  const std::int64_t groups = a.integer("groups"), group_c = weight.size(1), group_k = weight.size(0) / groups;
  const auto size = [&](std::int64_t n, std::int64_t filter, std::size_t axis) {
    return (n + 2 * padding[axis] - dilation[axis] * (filter - 1) - 1) / stride[axis] + 1;
  };
  Array y({x.size(0), weight.size(0), size(x.size(2), weight.size(2), 0), size(x.size(3), weight.size(3), 1)});
  for (std::size_t at = 0; at < y.values.size(); ++at) {
    const Sizes i = index_at(y.shape, std::int64_t(at));
    double sum = in.size() > 2 ? in[2](i[1]) : 0;
    for (std::int64_t c = 0; c < group_c; ++c)
      for (std::int64_t r = 0; r < weight.size(2); ++r)
        for (std::int64_t s = 0; s < weight.size(3); ++s) {
          const std::int64_t h = i[2] * stride[0] - padding[0] + r * dilation[0];
          const std::int64_t w = i[3] * stride[1] - padding[1] + s * dilation[1];
          if (h < 0 || h >= x.size(2) || w < 0 || w >= x.size(3)) continue;
          sum += x(i[0], i[1] / group_k * group_c + c, h, w) * weight(i[1], c, r, s);
        }
    y.values[at] = sum;
  }
  return y;
}

Array relu_reference(const Arrays& in, const Attributes& a) {
  Array y = reference(in, a);
  for (double& value : y.values) value = std::max(value, 0.0);
  return y;
}

template <auto op>
Tensor run(In in, const Attributes& a) {
  const auto pair = [&](std::string_view name) {
    const auto v = a.list(name);
    return Pair(int(v[0]), int(v.back()));
  };
  return op(in[0], in[1], in.size() > 2 ? in[2] : Tensor(),
            {.stride = pair("stride"),
             .padding = pair("padding"),
             .dilation = pair("dilation"),
             .groups = int(a.integer("groups"))},
            Tensor());
}

struct Options {
  Pair stride = 1, padding = 0, dilation = 1;
  int groups = 1;
  bool bias = true;
};

OpCase row(Shape x, Shape weight, Options o = {}) {
  const auto list = [](Pair p) { return Attribute{double(p.h), double(p.w)}; };
  const Shape y = conv2d_shape(x, weight, {o.stride, o.padding, o.dilation, o.groups});
  const double taps = double(weight[1] * weight[2] * weight[3]);
  OpCase out{.op = "conv2d",
             .inputs = {{.shape = x, .name = "x"}, {.shape = weight, .name = "weight"}},
             .attributes = {{"stride", list(o.stride)},
                            {"padding", list(o.padding)},
                            {"dilation", list(o.dilation)},
                            {"groups", o.groups}},
             .run = run<conv2d>,
             .reference = reference,
             .reduction = taps + 1,
             .gradient_reduction = std::max(double(y[0] * y[2] * y[3]), double(weight[0] * weight[2] * weight[3]))};
  // Winograd's transforms (3 x 3 and 5 x 5 filters of many channels, f32 on the CPU) err up to three times as much.
  if (weight[2] >= 3 && weight[2] == weight[3]) out.tolerance *= 3;
  if (o.bias) out.inputs.push_back({.shape = {weight[0]}, .name = "bias"});
  return out;
}

// The same with a ReLU behind it.
OpCase with_relu(Shape x, Shape weight, Options o = {}) {
  OpCase out = row(x, weight, o);
  out.op = "conv2d_bias_relu";
  out.run = run<conv2d_bias_relu>;
  out.reference = relu_reference;
  return out;
}

const bool registered = add_op_cases({
    row({2, 3, 7, 6}, {4, 3, 3, 3}),
    row({2, 3, 7, 6}, {4, 3, 3, 3}, {.stride = 2, .padding = 1, .bias = false}),
    row({1, 1, 1, 1}, {1, 1, 1, 1}),
    row({3, 1, 12, 11}, {6, 1, 5, 5}, {.padding = 2}),
    row({2, 6, 14, 14}, {16, 6, 5, 5}),
    row({2, 5, 9, 8}, {7, 5, 1, 1}),
    row({2, 5, 9, 8}, {7, 5, 1, 1}, {.stride = 2}),
    row({2, 16, 8, 8}, {32, 16, 3, 3}, {.padding = 1}),
    row({1, 4, 9, 13}, {6, 4, 5, 3}, {.stride = {1, 2}, .padding = {2, 1}}),
    row({1, 2, 8, 8}, {3, 2, 3, 5}, {.stride = {3, 4}, .padding = {0, 1}}),
    row({2, 2, 11, 9}, {3, 2, 3, 2}, {.padding = {3, 2}, .dilation = {2, 3}}),
    row({2, 6, 7, 7}, {9, 2, 3, 3}, {.padding = 1, .groups = 3}),
    row({2, 8, 7, 7}, {8, 1, 3, 3}, {.stride = 2, .padding = 1, .groups = 8}),
    row({1, 3, 23, 19}, {8, 3, 7, 7}, {.stride = 2, .padding = 3}),
    row({1, 17, 5, 5}, {19, 17, 3, 3}, {.padding = 2}),
    row({1, 24, 6, 6}, {80, 24, 3, 3}, {.padding = 1}),
    row({1, 16, 9, 10}, {21, 16, 5, 5}, {.padding = {4, 2}}),
    row({1, 17, 3, 1}, {200, 17, 3, 3}, {.padding = {0, 2}, .bias = false}),
    row({9, 16, 14, 13}, {16, 16, 3, 3}, {.padding = {2, 1}}),
    row({2, 40, 5, 7}, {50, 20, 3, 2}, {.padding = {1, 0}, .groups = 2}),
    row({1, 4, 13, 12}, {6, 2, 3, 4}, {.stride = {2, 3}, .padding = {2, 4}, .dilation = {3, 2}, .groups = 2}),
    row({1, 2, 9, 10}, {3, 2, 2, 2}, {.stride = 4}),
    row({1, 8, 14, 15}, {16, 8, 3, 3}, {.stride = 2, .padding = 1, .dilation = 2}),
    row({2, 64, 10, 9}, {136, 64, 1, 1}),
    row({3, 32, 8, 8}, {48, 16, 3, 3}, {.stride = {2, 1}, .padding = 1, .groups = 2}),
    row({0, 3, 5, 5}, {4, 3, 3, 3}),
    with_relu({2, 3, 7, 6}, {4, 3, 3, 3}),
    with_relu({2, 16, 8, 8}, {32, 16, 3, 3}, {.padding = 1}),
    with_relu({2, 64, 5, 5}, {24, 64, 1, 1}, {.bias = false}),
    with_relu({3, 32, 8, 8}, {48, 16, 3, 3}, {.stride = {2, 1}, .padding = 1, .groups = 2}),
    with_relu({0, 3, 5, 5}, {4, 3, 3, 3}),
});

}  // namespace
}  // namespace weft::tools
