#include "core/ops/batch_norm.h"

#include <cmath>

#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

// Mean and biased variance of channel c, and how many values there are.
struct Moments {
  double mean = 0, variance = 0, values = 0;
};
Moments moments(const Array& x, std::int64_t c) {
  Moments m;
  const auto each = [&](auto&& f) {
    for (std::size_t at = 0; at < x.values.size(); ++at)
      if (index_at(x.shape, std::int64_t(at))[1] == c) f(x.values[at]);
  };
  each([&](double v) { m.mean += v, m.values += 1; });
  m.mean /= m.values;
  each([&](double v) { m.variance += (v - m.mean) * (v - m.mean); });
  m.variance /= m.values;
  return m;
}

// x (addend) weight bias mean variance; the formula of the paper, a channel at a time.
Array reference(const Arrays& in, const Attributes& a) {
  const bool add = a.flag("add"), relu = a.flag("relu"), training = a.flag("training");
  const Array &x = in[0], *const channels = &in[add ? 2 : 1];
  Array y(x.shape);
  for (std::int64_t c = 0; c < x.size(1); ++c) {
    const Moments m = training ? moments(x, c) : Moments{channels[2](c), channels[3](c)};
    for (std::size_t at = 0; at < y.values.size(); ++at) {
      if (index_at(x.shape, std::int64_t(at))[1] != c) continue;
      double z = (x.values[at] - m.mean) / std::sqrt(m.variance + a.number("eps")) * channels[0](c) + channels[1](c);
      if (add) z += in[1].values[at];
      y.values[at] = relu && z < 0 ? 0 : z;
    }
  }
  return y;
}

// The running statistics are copies: a row's inputs stay as they are.
RunningStatistics running(const Tensor& mean, const Tensor& variance) { return {mean.clone(), variance.clone()}; }
BatchNormOptions options(const Attributes& a) { return {.training = a.flag("training"), .eps = a.number("eps")}; }

Tensor run(In in, const Attributes& a) { return batch_norm(in[0], in[1], in[2], running(in[3], in[4]), options(a)); }
Tensor run_relu(In in, const Attributes& a) {
  return batch_norm_relu(in[0], in[1], in[2], running(in[3], in[4]), options(a));
}
Tensor run_add_relu(In in, const Attributes& a) {
  return batch_norm_add_relu(in[0], in[1], in[2], in[3], running(in[4], in[5]), options(a));
}
Tensor run_known(In in, const Attributes& a) {
  const BatchStatistics known = in[0].elements() > 0 ? batch_statistics(in[0]) : BatchStatistics{};
  return batch_norm_relu(in[0], in[1], in[2], running(in[3], in[4]), options(a), known);
}

OpCase row(const char* op, Shape x, bool training) {
  const std::string name = op;
  const bool add = name == "batch_norm_add_relu";
  OpCase out{.op = op,
             .inputs = {{.shape = x, .name = "x"}},
             .attributes = {{"training", training}, {"eps", 1e-3}, {"relu", name != "batch_norm"}, {"add", add}},
             .run = name == "batch_norm" ? run : (add ? run_add_relu : run_relu),
             .reference = reference,
             .reduction = 4 + std::sqrt(double(x.elements() / x[1])),
             .gradient_reduction = 16 + double(x.elements() / x[1])};
  if (add) out.inputs.push_back({.shape = x, .name = "addend"});
  out.inputs.push_back({.shape = {x[1]}, .low = 0.5, .high = 1.5, .name = "weight"});
  out.inputs.push_back({.shape = {x[1]}, .name = "bias"});
  out.inputs.push_back({.shape = {x[1]}, .gradient = false, .name = "running_mean"});
  out.inputs.push_back({.shape = {x[1]}, .low = 0.5, .high = 2, .gradient = false, .name = "running_variance"});
  return out;
}
// The same with statistics that are computed first.
OpCase known(Shape x) {
  OpCase out = row("batch_norm_relu", x, true);
  out.run = run_known;
  out.attributes = {{"training", true}, {"eps", 1e-3}, {"relu", true}, {"add", false}, {"known", true}};
  return out;
}

Tensor run_running(In in, const Attributes& a) {
  const RunningStatistics statistics = running(in[1], in[2]);
  const MovingVariance moving = a.flag("biased") ? MovingVariance::biased : MovingVariance::unbiased;
  const BatchStatistics known = a.flag("known") ? batch_statistics(in[0]) : BatchStatistics{};
  batch_norm(in[0], {}, {}, statistics, {.training = true, .momentum = a.number("momentum"), .moving = moving}, known);
  return a.flag("variance") ? statistics.variance : statistics.mean;
}
Array running_reference(const Arrays& in, const Attributes& a) {
  const bool variance = a.flag("variance");
  const double momentum = a.number("momentum");
  Array y = in[variance ? 2 : 1];
  for (std::int64_t c = 0; c < y.size(0); ++c) {
    const Moments m = moments(in[0], c);
    const double unbiased = a.flag("biased") ? 1 : m.values / (m.values - 1);
    y(c) = (1 - momentum) * y(c) + momentum * (variance ? m.variance * unbiased : m.mean);
  }
  return y;
}
// What a training step makes of the running statistics.
OpCase running_row(Shape x, bool variance, bool biased = false, bool known = false) {
  return {.op = "batch_norm_running",
          .inputs = {{.shape = x, .low = 1, .high = 3, .name = "x"},
                     {.shape = {x[1]}, .name = "mean"},
                     {.shape = {x[1]}, .low = 0.5, .high = 2, .name = "variance"}},
          .attributes = {{"variance", variance}, {"biased", biased}, {"known", known}, {"momentum", 0.25}},
          .run = run_running,
          .reference = running_reference,
          .reduction = 4,
          .differentiable = false};
}

// The answers of a slot for (C,) numbers, one under the other: (2, C).
Tensor two_rows(const Tensor& like) { return empty({2, like.size(0)}, {like.dtype(), like.device()}); }
Tensor row_of(const Tensor& both, std::int64_t i) { return both.slice(0, i, i + 1).reshape({both.size(1)}); }

// sum and sum of squares of n values -> mean and variance, kept from below zero.
Tensor run_moments(In in, const Attributes& a) {
  const Tensor both = two_rows(in[0]);
  batch_norm_moments(in[0].contiguous(), in[1].contiguous(), a.integer("n"), row_of(both, 0), row_of(both, 1));
  return both;
}
Array moments_reference(const Arrays& in, const Attributes& a) {
  Array y({2, in[0].size(0)});
  for (std::int64_t c = 0; c < in[0].size(0); ++c) {
    y(0, c) = in[0](c) / a.number("n");
    y(1, c) = std::max(0.0, in[1](c) / a.number("n") - y(0, c) * y(0, c));
  }
  return y;
}
OpCase moments_row(std::int64_t channels, int n) {
  return {.op = "batch_norm_moments",
          .inputs = {{.shape = {channels}, .low = -2.0 * n, .high = 2.0 * n, .name = "sum"},
                     {.shape = {channels}, .low = 1.0 * n, .high = 5.0 * n, .name = "squares"}},
          .attributes = {{"n", n}},
          .run = run_moments,
          .reference = moments_reference,
          .differentiable = false,
          .dtypes = {DType::f32, DType::f64}};
}

// mean variance weight bias -> scale and shift.
Tensor run_affine(In in, const Attributes& a) {
  const Tensor both = two_rows(in[0]);
  const DType dtype = in[0].dtype() == DType::f64 ? DType::f64 : DType::f32;
  const auto numbers = [&](std::size_t i) { return in[i].to(dtype).contiguous(); };
  batch_norm_affine(numbers(0), numbers(1), numbers(2), numbers(3), a.number("eps"), row_of(both, 0), row_of(both, 1));
  return both;
}
Array affine_reference(const Arrays& in, const Attributes& a) {
  Array y({2, in[0].size(0)});
  for (std::int64_t c = 0; c < in[0].size(0); ++c) {
    y(0, c) = in[2](c) / std::sqrt(in[1](c) + a.number("eps"));
    y(1, c) = in[3](c) - in[0](c) * y(0, c);
  }
  return y;
}
OpCase affine_row(std::int64_t channels) {
  return {.op = "batch_norm_affine",
          .inputs = {{.shape = {channels}, .name = "mean"},
                     {.shape = {channels}, .low = 0.25, .high = 4, .name = "variance"},
                     {.shape = {channels}, .name = "weight"},
                     {.shape = {channels}, .name = "bias"}},
          .attributes = {{"eps", 1e-3}},
          .run = run_affine,
          .reference = affine_reference,
          .differentiable = false};
}

std::vector<OpCase> rows() {
  std::vector<OpCase> out;
  for (const bool training : {true, false}) {
    for (const Shape& x : {Shape{4, 3}, Shape{2, 1}, Shape{70, 2}, Shape{9, 133}, Shape{2, 3, 4, 5}, Shape{3, 1, 2, 2},
                           Shape{2, 17, 3, 3}, Shape{5, 64, 5, 3}, Shape{1, 5, 9, 8}, Shape{1, 2, 64, 66},
                           Shape{2, 130, 3, 3}, Shape{67, 2, 3, 3}, Shape{0, 4, 3, 3}})
      out.push_back(row("batch_norm", x, training));
    // The last two fill the rows of a block of 256 threads to the last one.
    for (const Shape& x : {Shape{5, 4}, Shape{3, 8, 5, 5}, Shape{2, 67, 3, 2}, Shape{3, 17, 9, 9}, Shape{0, 4, 3, 3},
                           Shape{256, 8}, Shape{2, 3, 32, 32}}) {
      out.push_back(row("batch_norm_relu", x, training));
      out.push_back(row("batch_norm_add_relu", x, training));
    }
  }
  for (const Shape& x : {Shape{5, 4}, Shape{3, 8, 5, 5}, Shape{2, 67, 3, 2}}) {
    out.push_back(known(x));
    out.push_back(running_row(x, false));
    out.push_back(running_row(x, true));
    out.push_back(running_row(x, true, true));
    out.push_back(running_row(x, true, false, true));
  }
  for (const std::int64_t channels : {1, 7, 129, 300}) {
    out.push_back(moments_row(channels, 12));
    out.push_back(affine_row(channels));
  }
  return out;
}

const bool registered = add_op_cases(rows());

}  // namespace
}  // namespace weft::tools
