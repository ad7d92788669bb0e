#include "core/ops/loss.h"

#include <cmath>

#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

Reduction reduction_of(const Attributes& a) {
  const std::string word = a.text("reduction");
  return word == "none" ? Reduction::none : word == "sum" ? Reduction::sum : Reduction::mean;
}
Array reduced(const Array& losses, const Attributes& a) {
  if (a.text("reduction") == "none") return losses;
  double sum = 0;
  for (const double loss : losses.values) sum += loss;
  return Array({}, a.text("reduction") == "sum" ? sum : sum / double(losses.values.size()));
}

// The target's probability of class k where the logits stand at `index`; target holds indices or probabilities.
double probability(const Arrays& in, const Sizes& index, double smoothing) {
  const Array &x = in[0], &target = in[1];
  double hard = 0;
  if (target.shape == x.shape) {
    hard = target.values[std::size_t(position_of(x.shape, index))];
  } else {
    Sizes at = index;
    at.erase(1);
    hard = target.values[std::size_t(position_of(target.shape, at))] == double(index[1]) ? 1 : 0;
  }
  return (1 - smoothing) * hard + smoothing / double(x.size(1));
}

Array cross_entropy_reference(const Arrays& in, const Attributes& a) {
  const Array& x = in[0];
  Shape shape = x.shape;
  shape.erase(1);
  Array losses(shape);
  for (std::size_t at = 0; at < losses.values.size(); ++at) {
    Sizes index = index_at(shape, std::int64_t(at));
    index.insert(1, 0);
    double sum = 0;
    for (index[1] = 0; index[1] < x.size(1); ++index[1])
      sum += std::exp(x.values[std::size_t(position_of(x.shape, index))]);
    for (index[1] = 0; index[1] < x.size(1); ++index[1])
      losses.values[at] -= probability(in, index, a.number("label_smoothing")) *
                           (x.values[std::size_t(position_of(x.shape, index))] - std::log(sum));
  }
  return reduced(losses, a);
}
Tensor run_cross_entropy(In in, const Attributes& a) {
  return cross_entropy(in[0], in[1], {.label_smoothing = a.number("label_smoothing"), .reduction = reduction_of(a)});
}

OpCase classes(Shape logits, const char* reduction, double smoothing, bool soft = false) {
  OpInput target{.shape = logits, .low = 0, .high = 1, .gradient = false, .name = "target"};
  if (!soft) {
    target.shape.erase(1);
    target.integers = true, target.dtype = DType::i64, target.high = double(logits[1]);
  }
  const double rows = double(logits.elements() / logits[1]);
  return {.op = "cross_entropy",
          .inputs = {{.shape = logits, .low = -3, .high = 3, .name = "logits"}, target},
          .attributes = {{"label_smoothing", smoothing}, {"reduction", reduction}},
          .run = run_cross_entropy,
          .reference = cross_entropy_reference,
          .reduction = double(logits[1]) + rows};
}

template <typename F>
Array pairs(const Arrays& in, const Attributes& a, F f) {
  return reduced(map(in[0], in[1], f), a);
}
double huber(double d, double delta) { return std::fabs(d) <= delta ? d * d / 2 : delta * (std::fabs(d) - delta / 2); }

OpCase pair_row(const char* op, Shape shape, const char* reduction, Tensor (*run)(In, const Attributes&),
                Array (*reference)(const Arrays&, const Attributes&), bool probabilities = false) {
  OpCase out{.op = op,
             .inputs = {{.shape = shape, .low = -3, .high = 3, .name = "x"},
                        {.shape = shape,
                         .low = probabilities ? 0.0 : -3.0,
                         .high = probabilities ? 1.0 : 3.0,
                         .name = "target"}},
             .attributes = {{"reduction", reduction}},
             .run = run,
             .reference = reference,
             .reduction = double(shape.elements()) + 1};
  if (std::string_view(op) == "huber_loss") out.attributes = {{"reduction", reduction}, {"delta", 0.7}};
  return out;
}

Tensor run_squared(In in, const Attributes& a) { return squared_loss(in[0], in[1], reduction_of(a)); }
Tensor run_mse(In in, const Attributes& a) { return mse_loss(in[0], in[1], reduction_of(a)); }
Tensor run_l1(In in, const Attributes& a) { return l1_loss(in[0], in[1], reduction_of(a)); }
Tensor run_huber(In in, const Attributes& a) { return huber_loss(in[0], in[1], a.number("delta"), reduction_of(a)); }
Tensor run_binary(In in, const Attributes& a) {
  return binary_cross_entropy_with_logits(in[0], in[1], reduction_of(a));
}

Array squared_reference(const Arrays& in, const Attributes& a) {
  return pairs(in, a, [](double x, double t) { return (x - t) * (x - t) / 2; });
}
Array mse_reference(const Arrays& in, const Attributes& a) {
  return pairs(in, a, [](double x, double t) { return (x - t) * (x - t); });
}
Array l1_reference(const Arrays& in, const Attributes& a) {
  return pairs(in, a, [](double x, double t) { return std::fabs(x - t); });
}
Array huber_reference(const Arrays& in, const Attributes& a) {
  return pairs(in, a, [delta = a.number("delta")](double x, double t) { return huber(x - t, delta); });
}
Array binary_reference(const Arrays& in, const Attributes& a) {
  return pairs(in, a, [](double x, double t) {
    const double s = 1 / (1 + std::exp(-x));
    return -(t * std::log(s) + (1 - t) * std::log(1 - s));
  });
}

std::vector<OpCase> element_rows() {
  std::vector<OpCase> rows;
  for (const char* reduction : {"none", "mean", "sum"}) {
    const Shape shape = {5, 7};
    rows.push_back(pair_row("squared_loss", shape, reduction, run_squared, squared_reference));
    rows.push_back(pair_row("mse_loss", shape, reduction, run_mse, mse_reference));
    rows.push_back(pair_row("l1_loss", shape, reduction, run_l1, l1_reference));
    rows.push_back(pair_row("huber_loss", shape, reduction, run_huber, huber_reference));
    rows.push_back(pair_row("binary_cross_entropy_with_logits", shape, reduction, run_binary, binary_reference, true));
  }
  rows.push_back(pair_row("mse_loss", {3, 4099}, "mean", run_mse, mse_reference));
  rows.push_back(pair_row("mse_loss", {2, 3, 4, 5}, "none", run_mse, mse_reference));
  return rows;
}

const bool registered = add_op_cases({
                            classes({6, 10}, "mean", 0),
                            classes({6, 10}, "sum", 0.1),
                            classes({6, 10}, "none", 0.1),
                            classes({1, 1}, "mean", 0),
                            classes({300, 10}, "mean", 0),
                            classes({2, 1031}, "mean", 0.1),
                            classes({6, 10}, "mean", 0, true),
                            classes({6, 10}, "none", 0.2, true),
                            classes({2, 5, 3, 4}, "mean", 0.1),
                            classes({2, 5, 3}, "none", 0, true),
                        }) &&
                        add_op_cases(element_rows());

}  // namespace
}  // namespace weft::tools
