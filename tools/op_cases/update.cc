// Parameter updates, one call each on copies of the inputs; the result is the changed parameter (or gradient).
#include "core/ops/update.h"

#include <algorithm>
#include <cmath>

#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

Tensor dynamics(const Attributes& a, const Tensor& values) {
  return tensor({2}, {a.number("lr"), a.number("step")}, {.dtype = DType::f64, .device = values.device()});
}
SGDUpdate sgd_options(const Attributes& a) {
  return {.momentum = a.number("momentum"), .weight_decay = a.number("weight_decay"), .nesterov = a.flag("nesterov")};
}
AdamUpdate adam_options(const Attributes& a) {
  return {.beta2 = 0.99, .weight_decay = a.number("weight_decay"), .decoupled = a.flag("decoupled")};
}

// in: values, gradients, momentum
Tensor run_sgd(In in, const Attributes& a) {
  const Tensor values = in[0].clone(), velocity = a.number("momentum") != 0 ? in[2].clone() : Tensor{};
  sgd_update(values, in[1].clone(), velocity, dynamics(a, values), sgd_options(a));
  return values;
}
Array sgd_reference(const Arrays& in, const Attributes& a) {
  const SGDUpdate o = sgd_options(a);
  Array values = in[0];
  for (std::size_t i = 0; i < values.values.size(); ++i) {
    double& w = values.values[i];
    const double d = in[1].values[i] + o.weight_decay * w;
    const double v = o.momentum * in[2].values[i] + d;
    w -= a.number("lr") * (o.nesterov ? d + o.momentum * v : v);
  }
  return values;
}

// in: values, gradients, mean, mean of squares
Tensor run_adam(In in, const Attributes& a) {
  const Tensor values = in[0].clone();
  adam_update(values, in[1].clone(), in[2].clone(), in[3].clone(), dynamics(a, values), adam_options(a));
  return values;
}
Array adam_reference(const Arrays& in, const Attributes& a) {
  const AdamUpdate o = adam_options(a);
  const double lr = a.number("lr"), step = a.number("step");
  Array values = in[0];
  for (std::size_t i = 0; i < values.values.size(); ++i) {
    double& w = values.values[i];
    const double d = in[1].values[i] + (o.decoupled ? 0 : o.weight_decay * w);
    const double mean = o.beta1 * in[2].values[i] + (1 - o.beta1) * d;
    const double square = o.beta2 * in[3].values[i] + (1 - o.beta2) * d * d;
    if (o.decoupled) w -= lr * o.weight_decay * w;
    w -= lr * (mean / (1 - std::pow(o.beta1, step))) / (std::sqrt(square / (1 - std::pow(o.beta2, step))) + o.eps);
  }
  return values;
}

Tensor run_clip_norm(In in, const Attributes& a) {
  const Tensor x = in[0].clone();
  clip_by_norm({&x, 1}, a.number("max_norm"));
  return x;
}
Array clip_norm_reference(const Arrays& in, const Attributes& a) {
  double squares = 0;
  for (const double x : in[0].values) squares += x * x;
  const double factor = std::min(1.0, a.number("max_norm") / std::sqrt(squares));
  return map(in[0], [&](double x) { return squares > 0 ? x * factor : x; });
}

Tensor run_clip_value(In in, const Attributes& a) {
  const Tensor x = in[0].clone();
  clip_by_value(x, a.number("bound"));
  return x;
}
Array clip_value_reference(const Arrays& in, const Attributes& a) {
  const double bound = a.number("bound");
  return map(in[0], [&](double x) { return std::clamp(x, -bound, bound); });
}

OpInput input(Shape shape, const char* name, double low = -1) {
  return {.shape = shape, .low = low, .gradient = false, .name = name};
}
OpCase sgd_row(std::int64_t n, double momentum, double weight_decay, bool nesterov) {
  return {.op = "sgd_update",
          .inputs = {input({n}, "values"), input({n}, "gradients"), input({n}, "momentum")},
          .attributes = {{"lr", 0.1},
                         {"step", 3},
                         {"momentum", momentum},
                         {"weight_decay", weight_decay},
                         {"nesterov", nesterov}},
          .run = run_sgd,
          .reference = sgd_reference,
          .reduction = 4,
          .differentiable = false};
}
OpCase adam_row(std::int64_t n, double weight_decay, bool decoupled) {
  return {.op = "adam_update",
          .inputs = {input({n}, "values"), input({n}, "gradients"), input({n}, "mean"), input({n}, "mean_square", 0.1)},
          .attributes = {{"lr", 0.1}, {"step", 3}, {"weight_decay", weight_decay}, {"decoupled", decoupled}},
          .run = run_adam,
          .reference = adam_reference,
          .reduction = 9,
          .differentiable = false};
}
OpCase clip_row(const char* op, std::int64_t n, Attributes attributes, Tensor (*run)(In, const Attributes&),
                Array (*reference)(const Arrays&, const Attributes&)) {
  return {.op = op,
          .inputs = {input({n}, "x")},
          .attributes = std::move(attributes),
          .run = run,
          .reference = reference,
          .differentiable = false};
}

const bool registered = add_op_cases({
    sgd_row(17, 0, 0, false),
    sgd_row(17, 0, 0.2, false),
    sgd_row(40001, 0.9, 0.2, false),
    sgd_row(31, 0.9, 0.2, true),
    sgd_row(0, 0.9, 0, false),
    adam_row(17, 0, false),
    adam_row(40001, 0.2, false),
    adam_row(31, 0.2, true),
    adam_row(0, 0, false),
    clip_row("clip_by_norm", 40001, {{"max_norm", 2}}, run_clip_norm, clip_norm_reference),
    clip_row("clip_by_norm", 3, {{"max_norm", 100}}, run_clip_norm, clip_norm_reference),
    clip_row("clip_by_norm", 0, {{"max_norm", 1}}, run_clip_norm, clip_norm_reference),
    clip_row("clip_by_value", 17, {{"bound", 0.5}}, run_clip_value, clip_value_reference),
});

}  // namespace
}  // namespace weft::tools
