// Rows of the elementwise family.
#include "core/ops/elementwise.h"

#include <algorithm>
#include <cmath>

#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

using Run = Tensor (*)(In, const Attributes&);
using Reference = Array (*)(const Arrays&, const Attributes&);

const std::vector<DType> kAllNumbers = {DType::f32, DType::f64, DType::f16, DType::bf16,
                                        DType::i32, DType::i64, DType::u8};
const std::vector<DType> kIntegers = {DType::i32, DType::i64, DType::u8};

// --- one tensor ------------------------------------------------------------------------------------------------------

struct UnaryRow {
  const char* op;
  Run run;
  Reference reference;
  double low = -3, high = 3;
  Attributes attributes = {};
  double tolerance = 4;
};

std::vector<OpCase> rows_of(const UnaryRow& u) {
  std::vector<OpCase> rows;
  for (const Shape& shape : {Shape{2, 3, 4, 5}, Shape{13, 7}, Shape{}, Shape{0, 3}, Shape{66001}})
    rows.push_back({.op = u.op,
                    .inputs = {{.shape = shape, .low = u.low, .high = u.high}},
                    .attributes = u.attributes,
                    .run = u.run,
                    .reference = u.reference,
                    .tolerance = u.tolerance});
  rows.back().dtypes = {DType::f32};  // large enough for several threads
  return rows;
}

// Reference of f(x) and f(x, attribute) in double.
template <auto F>
Array each(const Arrays& in, const Attributes&) {
  return map(in[0], F);
}
template <auto F>
Array each_with(const Arrays& in, const Attributes& a) {
  const double value = a.number(a.entries()[0].first);
  return map(in[0], [=](double x) { return F(x, value); });
}

const UnaryRow kUnary[] = {
    {"neg", [](In in, const Attributes&) { return neg(in[0]); }, each<[](double x) { return -x; }>},
    {"abs", [](In in, const Attributes&) { return abs(in[0]); }, each<[](double x) { return std::fabs(x); }>},
    {"exp", [](In in, const Attributes&) { return exp(in[0]); }, each<[](double x) { return std::exp(x); }>},
    {"log", [](In in, const Attributes&) { return log(in[0]); }, each<[](double x) { return std::log(x); }>, 0.1, 9},
    {"sqrt", [](In in, const Attributes&) { return sqrt(in[0]); }, each<[](double x) { return std::sqrt(x); }>, 0.1, 9},
    {"square", [](In in, const Attributes&) { return square(in[0]); }, each<[](double x) { return x * x; }>},
    {"sigmoid", [](In in, const Attributes&) { return sigmoid(in[0]); },
     each<[](double x) { return 1 / (1 + std::exp(-x)); }>, -8, 8},
    {"tanh", [](In in, const Attributes&) { return tanh(in[0]); }, each<[](double x) { return std::tanh(x); }>},
    {"relu", [](In in, const Attributes&) { return relu(in[0]); }, each<[](double x) { return std::fmax(x, 0); }>},
    {"leaky_relu",
     [](In in, const Attributes& a) { return leaky_relu(in[0], a.number("slope")); },
     each_with<[](double x, double slope) { return (x > 0) ? x : slope * x; }>,
     -3,
     3,
     {{"slope", 0.01}}},
    {"elu",
     [](In in, const Attributes& a) { return elu(in[0], a.number("alpha")); },
     each_with<[](double x, double alpha) { return (x > 0) ? x : alpha * std::expm1(x); }>,
     -3,
     3,
     {{"alpha", 1.5}}},
    {"gelu", [](In in, const Attributes&) { return gelu(in[0]); },
     each<[](double x) { return x / 2 * std::erfc(-x / std::sqrt(2.0)); }>, -6, 6},
    // These two sum terms that are larger than the result.
    {"gelu_tanh",
     [](In in, const Attributes&) { return gelu(in[0], Gelu::tanh); },
     each<[](double x) {
       return x / 2 * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * std::pow(x, 3))));
     }>,
     -6,
     6,
     {},
     8},
    {"silu",
     [](In in, const Attributes&) { return silu(in[0]); },
     each<[](double x) { return x / (1 + std::exp(-x)); }>,
     -8,
     8,
     {},
     8},
    {"softplus",
     [](In in, const Attributes& a) { return softplus(in[0], a.number("beta")); },
     each_with<[](double x, double beta) { return (std::log1p(std::exp(beta * x))) / beta; }>,
     -9,
     9,
     {{"beta", 1.5}}},
    {"hardswish", [](In in, const Attributes&) { return hardswish(in[0]); },
     each<[](double x) { return x * std::clamp(x + 3, 0.0, 6.0) / 6; }>, -5, 5},
    {"clamp",
     [](In in, const Attributes& a) { return clamp(in[0], a.number("low"), a.number("high")); },
     [](const Arrays& in, const Attributes& a) {
       return map(in[0], [&](double x) { return std::clamp(x, a.number("low"), a.number("high")); });
     },
     -3,
     3,
     {{"low", -0.7}, {"high", 1.9}}},
    {"add",
     [](In in, const Attributes& a) { return add(in[0], a.number("value")); },
     each_with<[](double x, double value) { return x + value; }>,
     -3,
     3,
     {{"value", 1.25}}},
    {"sub",
     [](In in, const Attributes& a) { return sub(in[0], a.number("value")); },
     each_with<[](double x, double value) { return x - value; }>,
     -3,
     3,
     {{"value", 0.75}}},
    {"sub",
     [](In in, const Attributes& a) { return sub(a.number("left"), in[0]); },
     each_with<[](double x, double left) { return left - x; }>,
     -3,
     3,
     {{"left", 0.75}}},
    {"mul",
     [](In in, const Attributes& a) { return mul(in[0], a.number("value")); },
     each_with<[](double x, double value) { return x * value; }>,
     -3,
     3,
     {{"value", -1.5}}},
    {"div",
     [](In in, const Attributes& a) { return div(in[0], a.number("value")); },
     each_with<[](double x, double value) { return x / value; }>,
     -3,
     3,
     {{"value", 3}}},
    {"div",
     [](In in, const Attributes& a) { return div(a.number("left"), in[0]); },
     each_with<[](double x, double left) { return left / x; }>,
     0.5,
     3,
     {{"left", 2}}},
    {"pow",
     [](In in, const Attributes& a) { return pow(in[0], a.number("exponent")); },
     each_with<[](double x, double exponent) { return std::pow(x, exponent); }>,
     0.3,
     2,
     {{"exponent", -1.5}}},
    {"pow",
     [](In in, const Attributes& a) { return pow(in[0], a.number("exponent")); },
     each_with<[](double x, double exponent) { return std::pow(x, exponent); }>,
     -2,
     2,
     {{"exponent", 3}}},
    {"pow",
     [](In in, const Attributes& a) { return pow(a.number("base"), in[0]); },
     each_with<[](double x, double base) { return std::pow(base, x); }>,
     -2,
     2,
     {{"base", 1.7}}},
    {"maximum",
     [](In in, const Attributes& a) { return maximum(in[0], a.number("value")); },
     each_with<[](double x, double value) { return std::fmax(x, value); }>,
     -3,
     3,
     {{"value", 0.5}}},
    {"minimum",
     [](In in, const Attributes& a) { return minimum(in[0], a.number("value")); },
     each_with<[](double x, double value) { return std::fmin(x, value); }>,
     -3,
     3,
     {{"value", 0.5}}},
};

// --- two tensors -----------------------------------------------------------------------------------------------------

struct BinaryRow {
  const char* op;
  Run run;
  Reference reference;
  bool positive = false;  // operands in [0.3, 2)
  bool integers = true;   // takes integer dtypes too
};
struct Pairing {
  Shape a, b;
};
// Alike, broadcast on either side and both, scalar, empty, one element, large.
const Pairing kPairings[] = {{{2, 3, 4, 5}, {2, 3, 4, 5}},
                             {{2, 3, 4, 5}, {3, 1, 1}},
                             {{2, 3, 4, 5}, {5}},
                             {{1, 3, 1, 5}, {2, 1, 4, 1}},
                             {{4, 1}, {6}},
                             {{}, {3}},
                             {{0, 3}, {3}},
                             {{1}, {1}},
                             {{257, 131}, {131}},
                             {{6, 64}, {64}},
                             {{3, 5, 32}, {5, 1}}};

// How many terms of a gradient a broadcast adds up.
double broadcast_terms(const Pairing& p) {
  const double all = double(broadcast_shapes(p.a, p.b, "row").elements());
  return std::max(
      {1.0, all / std::max<double>(1, double(p.a.elements())), all / std::max<double>(1, double(p.b.elements()))});
}

template <auto F>
Array each_pair(const Arrays& in, const Attributes&) {
  return map(in[0], in[1], F);
}

const BinaryRow kBinary[] = {
    {"add", [](In in, const Attributes&) { return add(in[0], in[1]); },
     each_pair<[](double a, double b) { return a + b; }>},
    {"add_relu", [](In in, const Attributes&) { return add_relu(in[0], in[1]); },
     each_pair<[](double a, double b) { return std::fmax(a + b, 0); }>},
    {"sub", [](In in, const Attributes&) { return sub(in[0], in[1]); },
     each_pair<[](double a, double b) { return a - b; }>},
    {"mul", [](In in, const Attributes&) { return mul(in[0], in[1]); },
     each_pair<[](double a, double b) { return a * b; }>},
    {"div", [](In in, const Attributes&) { return div(in[0], in[1]); },
     each_pair<[](double a, double b) { return a / b; }>, true, false},
    {"pow", [](In in, const Attributes&) { return pow(in[0], in[1]); },
     each_pair<[](double a, double b) { return std::pow(a, b); }>, true, false},
    {"maximum", [](In in, const Attributes&) { return maximum(in[0], in[1]); },
     each_pair<[](double a, double b) { return std::fmax(a, b); }>},
    {"minimum", [](In in, const Attributes&) { return minimum(in[0], in[1]); },
     each_pair<[](double a, double b) { return std::fmin(a, b); }>},
};

std::vector<OpCase> rows_of(const BinaryRow& b) {
  std::vector<OpCase> rows;
  const double low = b.positive ? 0.3 : -2;
  for (const Pairing& p : kPairings)
    rows.push_back({.op = b.op,
                    .inputs = {{.shape = p.a, .low = low, .high = 2}, {.shape = p.b, .low = low, .high = 2}},
                    .run = b.run,
                    .reference = b.reference,
                    .gradient_reduction = 4 * broadcast_terms(p),  // the terms reach |2|, not 1
                    .tolerance = 8});
  if (b.integers)  // a >= b keeps differences of u8 positive
    rows.push_back({.op = b.op,
                    .inputs = {{.shape = {3, 5}, .low = 7, .high = 15, .integers = true},
                               {.shape = {5}, .low = 0, .high = 7, .integers = true}},
                    .run = b.run,
                    .reference = b.reference,
                    .differentiable = false,
                    .dtypes = kIntegers});
  return rows;
}

// --- comparisons, where, in place ------------------------------------------------------------------------------------

OpCase comparison(const char* op, Run run, Reference reference, const Pairing& p) {
  return {.op = op,
          .inputs = {{.shape = p.a, .low = 0, .high = 3, .integers = true},
                     {.shape = p.b, .low = 0, .high = 3, .integers = true}},
          .run = run,
          .reference = reference,
          .differentiable = false,
          .dtypes = kAllNumbers};
}
struct ComparisonRow {
  const char* op;
  Run run;
  Reference reference;
};
const ComparisonRow kComparisons[] = {
    {"equal", [](In in, const Attributes&) { return equal(in[0], in[1]); },
     each_pair<[](double a, double b) { return double(a == b); }>},
    {"not_equal", [](In in, const Attributes&) { return not_equal(in[0], in[1]); },
     each_pair<[](double a, double b) { return double(a != b); }>},
    {"less", [](In in, const Attributes&) { return less(in[0], in[1]); },
     each_pair<[](double a, double b) { return double(a < b); }>},
    {"less_equal", [](In in, const Attributes&) { return less_equal(in[0], in[1]); },
     each_pair<[](double a, double b) { return double(a <= b); }>},
    {"greater", [](In in, const Attributes&) { return greater(in[0], in[1]); },
     each_pair<[](double a, double b) { return double((a > b)); }>},
    {"greater_equal", [](In in, const Attributes&) { return greater_equal(in[0], in[1]); },
     each_pair<[](double a, double b) { return double((a >= b)); }>},
};

Array where_reference(const Arrays& in, const Attributes&) {
  const Array both = map(in[1], in[2], [](double a, double) { return a; });
  const Shape shape = broadcast_shapes(in[0].shape, both.shape, "where");
  Array y(shape);
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    const Sizes index = index_at(shape, std::int64_t(i));
    y.values[i] = broadcast_value(in[0], index) != 0 ? broadcast_value(in[1], index) : broadcast_value(in[2], index);
  }
  return y;
}
OpCase where_row(Shape condition, Shape a, Shape b) {
  return {
      .op = "where",
      .inputs =
          {{.shape = condition, .low = 0, .high = 2, .integers = true, .dtype = DType::boolean, .name = "condition"},
           {.shape = a, .name = "a"},
           {.shape = b, .name = "b"}},
      .run = [](In in, const Attributes&) { return where(in[0], in[1], in[2]); },
      .reference = where_reference,
      .gradient_reduction = 40};
}

// In-place ops on a copy: the copy is part of the graph, the input stays.
OpCase in_place(const char* op, Pairing p, Run run, Reference reference) {
  return {.op = op,
          .inputs = {{.shape = p.a, .name = "y"}, {.shape = p.b, .name = "x"}},
          .run = run,
          .reference = reference,
          .gradient_reduction = broadcast_terms(p)};
}
Tensor run_add_in_place(In in, const Attributes&) { return add_(in[0].clone(), in[1], -0.5); }
Array add_scaled_reference(const Arrays& in, const Attributes&) {
  return map(in[0], in[1], [](double y, double x) { return y - 0.5 * x; });
}

std::vector<OpCase> all_rows() {
  std::vector<OpCase> rows;
  const auto append = [&](std::vector<OpCase> more) {
    for (OpCase& row : more) rows.push_back(std::move(row));
  };
  for (const BinaryRow& b : kBinary) append(rows_of(b));
  for (const UnaryRow& u : kUnary) append(rows_of(u));
  for (const ComparisonRow& c : kComparisons)
    append({comparison(c.op, c.run, c.reference, kPairings[0]), comparison(c.op, c.run, c.reference, kPairings[3]),
            comparison(c.op, c.run, c.reference, kPairings[6])});
  append({where_row({2, 3, 4, 5}, {2, 3, 4, 5}, {2, 3, 4, 5}), where_row({4, 1}, {5}, {}), where_row({0}, {1}, {1}),
          where_row({}, {3, 5}, {5})});
  append({in_place("add_", {{2, 3, 4, 5}, {2, 3, 4, 5}}, run_add_in_place, add_scaled_reference),
          in_place("add_", {{2, 3, 4, 5}, {3, 1, 1}}, run_add_in_place, add_scaled_reference)});
  OpCase scaled = in_place(
      "mul_", {{2, 3, 4, 5}, {3, 1, 1}}, [](In in, const Attributes&) { return mul_(in[0].clone(), in[1]); },
      each_pair<[](double y, double x) { return y * x; }>);
  scaled.inputs[1].gradient = false;  // it would need the y that is overwritten
  append({scaled});
  append(rows_of(UnaryRow{"mul_",
                          [](In in, const Attributes& a) { return mul_(in[0].clone(), a.number("value")); },
                          each_with<[](double x, double value) { return x * value; }>,
                          -3,
                          3,
                          {{"value", -1.5}}}));
  append(rows_of(UnaryRow{"relu_", [](In in, const Attributes&) { return relu_(in[0].clone()); },
                          each<[](double x) { return std::fmax(x, 0); }>}));
  return rows;
}

const bool registered = add_op_cases(all_rows());

}  // namespace
}  // namespace weft::tools
