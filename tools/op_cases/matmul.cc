#include "core/ops/matmul.h"

#include <cmath>

#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

// y[b, i, j] = sum over k of a[b, i, k] * b[b, k, j], batch axes broadcast.
Array matmul_reference(const Arrays& in, const Attributes&) {
  const Array &a = in[0], &b = in[1];
  const auto batch = [](const Shape& s) { return Shape(std::span(s.begin(), s.end() - 2)); };
  Shape shape = broadcast_shapes(batch(a.shape), batch(b.shape), "reference");
  const int axes = shape.rank();
  shape.push_back(a.size(-2));
  shape.push_back(b.size(-1));
  Array y(shape);
  for (std::size_t at = 0; at < y.values.size(); ++at) {
    Sizes left = index_at(shape, std::int64_t(at)), right = left;
    double sum = 0;
    for (std::int64_t k = 0; k < a.size(-1); ++k) {
      left[axes + 1] = k;
      right[axes] = k;
      sum += broadcast_value(a, left) * broadcast_value(b, right);
    }
    y.values[at] = sum;
  }
  return y;
}

Array linear_reference(const Arrays& in, const Attributes&) {
  const Array &x = in[0], &weight = in[1];
  const std::int64_t features = weight.size(1), out = weight.size(0);
  Shape shape = x.shape;
  shape[shape.rank() - 1] = out;
  Array y(shape);
  for (std::size_t at = 0; at < y.values.size(); ++at) {
    const std::int64_t row = std::int64_t(at) / out, o = std::int64_t(at) % out;
    double sum = in.size() > 2 ? in[2](o) : 0;
    for (std::int64_t i = 0; i < features; ++i) sum += x.values[std::size_t(row * features + i)] * weight(o, i);
    y.values[at] = sum;
  }
  return y;
}

Tensor run_matmul(In in, const Attributes&) { return matmul(in[0], in[1]); }
// The operands arrive transposed and are turned by a view.
Tensor run_transposed(In in, const Attributes&) { return matmul(in[0].transpose(), in[1].transpose()); }
Array transposed_reference(const Arrays& in, const Attributes& attributes) {
  const auto turned = [](const Array& x) {
    Array y({x.size(1), x.size(0)});
    for (std::int64_t i = 0; i < x.size(0); ++i)
      for (std::int64_t j = 0; j < x.size(1); ++j) y(j, i) = x(i, j);
    return y;
  };
  return matmul_reference({turned(in[0]), turned(in[1])}, attributes);
}
Array linear_relu_reference(const Arrays& in, const Attributes& a) {
  Array y = linear_reference(in, a);
  for (double& value : y.values) value = std::max(value, 0.0);
  return y;
}
Array linear_gelu_reference(const Arrays& in, const Attributes& a) {
  Array y = linear_reference(in, a);
  for (double& z : y.values)
    z = z / 2 * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (z + 0.044715 * std::pow(z, 3))));
  return y;
}
Tensor run_linear_gelu(In in, const Attributes&) { return linear_gelu(in[0], in[1], in.size() > 2 ? in[2] : Tensor()); }
Tensor run_linear_relu(In in, const Attributes&) { return linear_relu(in[0], in[1], in.size() > 2 ? in[2] : Tensor()); }
Tensor run_linear(In in, const Attributes&) { return linear(in[0], in[1], in.size() > 2 ? in[2] : Tensor()); }

OpCase product(Shape a, Shape b) {
  const double k = double(a.back()), other = double(std::max(a[a.rank() - 2], b.back()));
  return {.op = "matmul",
          .inputs = {{.shape = a, .name = "a"}, {.shape = b, .name = "b"}},
          .run = run_matmul,
          .reference = matmul_reference,
          .reduction = k + 1,
          .gradient_reduction = 8 * other + 1};
}
OpCase turned(Shape a, Shape b) {
  return {.op = "matmul",
          .inputs = {{.shape = a, .name = "a"}, {.shape = b, .name = "b"}},
          .run = run_transposed,
          .reference = transposed_reference,
          .reduction = double(a[0]) + 1,
          .gradient_reduction = double(std::max(a[1], b[0])) + 1};
}
OpCase affine(Shape x, std::int64_t out, bool bias = true) {
  const double in = double(x.back()), rows = in > 0 ? double(x.elements()) / in : 1;
  OpCase row{.op = "linear",
             .inputs = {{.shape = x, .name = "x"}, {.shape = {out, x.back()}, .name = "weight"}},
             .run = run_linear,
             .reference = linear_reference,
             .reduction = in + 1,
             .gradient_reduction = std::max(rows, double(out)) + 1};
  if (bias) row.inputs.push_back({.shape = {out}, .name = "bias"});
  return row;
}

OpCase affine_relu(Shape x, std::int64_t out, bool bias = true) {
  OpCase row = affine(x, out, bias);
  row.op = "linear_relu";
  row.run = run_linear_relu;
  row.reference = linear_relu_reference;
  return row;
}
OpCase affine_gelu(Shape x, std::int64_t out, bool bias = true) {
  OpCase row = affine(x, out, bias);
  row.op = "linear_gelu";
  row.run = run_linear_gelu;
  row.reference = linear_gelu_reference;
  return row;
}

const bool registered = add_op_cases({
    product({4, 3}, {3, 5}),
    product({1, 1}, {1, 1}),
    product({37, 53}, {53, 61}),
    product({130, 300}, {300, 97}),
    product({0, 3}, {3, 5}),
    product({4, 0}, {0, 5}),
    product({2, 3, 4}, {2, 4, 5}),
    product({3, 1, 2, 7}, {5, 7, 3}),
    product({2, 3, 4}, {4, 5}),
    product({70, 1}, {1, 67}),
    product({20, 600}, {600, 24}),
    product({144, 200}, {200, 136}),
    product({3, 24, 40}, {3, 40, 16}),
    turned({19, 7}, {23, 19}),
    turned({72, 136}, {264, 72}),
    affine({4, 3}, 5),
    affine({1, 1}, 1),
    affine({31, 17}, 13),
    affine({64, 100}, 50),
    affine({7, 5}, 3, false),
    affine({300, 24}, 40),
    affine({136, 80}, 8),
    affine({40, 32}, 7),
    affine({2, 3, 5}, 7),
    affine({5}, 2),
    affine({0, 4}, 3),
    affine({4, 0}, 3),
    affine_relu({4, 3}, 5),
    affine_relu({7, 5}, 3, false),
    affine_relu({37, 600}, 70),
    affine_relu({136, 80}, 8),
    affine_relu({2, 3, 5}, 7),
    affine_relu({0, 4}, 3),
    affine_relu({4, 0}, 3),
    affine_gelu({4, 3}, 5),
    affine_gelu({7, 5}, 3, false),
    affine_gelu({37, 61}, 70),
    affine_gelu({136, 80}, 8),
    affine_gelu({2, 3, 5}, 7),
    affine_gelu({0, 4}, 3),
    affine_gelu({4, 0}, 3),
});

}  // namespace
}  // namespace weft::tools
