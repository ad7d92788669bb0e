// Rows of the reductions.
#include "core/ops/reduce.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

using Values = std::vector<double>;

Axes axes_of(const Attributes& a) {
  Axes axes;
  for (const std::int64_t axis : a.list("axes")) axes.values[axes.count++] = int(axis);
  return axes;
}

double sum_of(const Values& v) {
  double total = 0;
  for (const double x : v) total += x;
  return total;
}
double mean_of(const Values& v) { return sum_of(v) / double(v.size()); }
double max_of(const Values& v) { return *std::max_element(v.begin(), v.end()); }
double min_of(const Values& v) { return *std::min_element(v.begin(), v.end()); }
double squares_of(const Values& v, double center) {
  double total = 0;
  for (const double x : v) total += (x - center) * (x - center);
  return total;
}

template <double (*F)(const Values&)>
Array reduced(const Arrays& in, const Attributes& a) {
  return reduce(in[0], a.list("axes"), a.flag("keep"), F);
}
Array var_reference(const Arrays& in, const Attributes& a) {
  return reduce(in[0], a.list("axes"), a.flag("keep"), [&](const Values& v) {
    return squares_of(v, mean_of(v)) / (double(v.size()) - a.number("correction"));
  });
}
Array norm_reference(const Arrays& in, const Attributes& a) {
  const double p = a.number("p");
  return reduce(in[0], a.list("axes"), a.flag("keep"), [&](const Values& v) {
    double total = 0;
    for (const double x : v) total = p == INFINITY ? std::max(total, std::fabs(x)) : total + std::pow(std::fabs(x), p);
    return p == INFINITY ? total : std::pow(total, 1 / p);
  });
}
Array argmax_reference(const Arrays& in, const Attributes& a) {
  return reduce(in[0], {a.integer("axis")}, a.flag("keep"),
                [](const Values& v) { return double(std::max_element(v.begin(), v.end()) - v.begin()); });
}

struct Kind {
  const char* op;
  Tensor (*run)(In, const Attributes&);
  Array (*reference)(const Arrays&, const Attributes&);
  bool sums;   // the error grows with the number of terms
  bool empty;  // defined for no terms
};
const Kind kKinds[] = {
    {"sum", [](In in, const Attributes& a) { return sum(in[0], axes_of(a), a.flag("keep")); }, reduced<sum_of>, true,
     true},
    {"mean", [](In in, const Attributes& a) { return mean(in[0], axes_of(a), a.flag("keep")); }, reduced<mean_of>,
     false, true},
    {"max", [](In in, const Attributes& a) { return max(in[0], axes_of(a), a.flag("keep")); }, reduced<max_of>, false,
     false},
    {"min", [](In in, const Attributes& a) { return min(in[0], axes_of(a), a.flag("keep")); }, reduced<min_of>, false,
     false},
};

OpCase row(const Kind& kind, Shape shape, Values axes, bool keep = false) {
  return {.op = kind.op,
          .inputs = {{.shape = shape, .low = -1.5, .high = 2.5}},
          .attributes = {{"axes", axes}, {"keep", keep}},
          .run = kind.run,
          .reference = kind.reference,
          .reduction = kind.sums ? std::max<double>(1, double(shape.elements())) : 4,
          .gradient_reduction = 4};
}

std::vector<OpCase> rows_of(const Kind& kind) {
  std::vector<OpCase> rows = {
      row(kind, {2, 3, 4, 5}, {}),
      row(kind, {2, 3, 4, 5}, {0}),
      row(kind, {2, 3, 4, 5}, {1}, true),
      row(kind, {2, 3, 4, 5}, {-1}),
      row(kind, {2, 3, 4, 5}, {0, 2, 3}),
      row(kind, {2, 3, 4, 5}, {1, 3}, true),
      row(kind, {2, 3, 4, 5}, {0, 1}),
      row(kind, {37, 29}, {0}),
      row(kind, {37, 29}, {1}),
      row(kind, {}, {}),
      row(kind, {1, 1}, {0}),
      row(kind, {3, 0}, {0}),
      row(kind, {2, 1, 3}, {1}),
  };
  if (kind.empty) {
    rows.push_back(row(kind, {0, 3}, {0}));
    rows.back().differentiable = kind.sums;  // an empty mean is NaN
  }
  // Large enough for several parts and threads: a long row, long columns, and images' channels; and more results than
  // the blocks of a small device take at once.
  for (OpCase large : {row(kind, {140001}, {}), row(kind, {3, 66001}, {1}), row(kind, {66001, 3}, {0}),
                       row(kind, {300, 700}, {0}), row(kind, {8, 5, 61, 53}, {0, 2, 3}), row(kind, {40, 2100}, {1}),
                       row(kind, {1100, 37}, {1}), row(kind, {70, 3, 130}, {1})}) {
    large.dtypes = {DType::f32, DType::f64};
    large.differentiable = kind.empty;  // among so many numbers the largest has equals nearby
    rows.push_back(large);
  }
  OpCase integers = row(kind, {3, 4}, {1});
  integers.inputs[0] = {.shape = {3, 4}, .low = 0, .high = 9, .integers = true, .name = "x"};
  integers.dtypes = {DType::i32, DType::i64, DType::u8};
  integers.differentiable = false;
  if (std::string_view(kind.op) != "mean") rows.push_back(integers);
  return rows;
}

OpCase var_row(Shape shape, Values axes, int correction, bool keep = false) {
  return {
      .op = "var",
      .inputs = {{.shape = shape, .low = -1.5, .high = 2.5}},
      .attributes = {{"axes", axes}, {"keep", keep}, {"correction", correction}},
      .run = [](In in,
                const Attributes& a) { return var(in[0], axes_of(a), a.flag("keep"), int(a.integer("correction"))); },
      .reference = var_reference,
      .reduction = 8};
}
OpCase norm_row(Shape shape, Values axes, double p, bool keep = false) {
  return {.op = "norm",
          .inputs = {{.shape = shape, .low = -1.5, .high = 2.5}},
          .attributes = {{"axes", axes}, {"keep", keep}, {"p", p}},
          .run = [](In in, const Attributes& a) { return norm(in[0], axes_of(a), a.flag("keep"), a.number("p")); },
          .reference = norm_reference,
          // p other than 2 goes through a sum in the tensor's dtype.
          .reduction = p == 2 ? 4 : double(shape.elements()),
          .gradient_reduction = double(shape.elements())};
}
OpCase argmax_row(Shape shape, int axis, bool keep = false) {
  return {.op = "argmax",
          .inputs = {{.shape = shape, .low = 0, .high = 5, .integers = true}},  // ties: the first wins
          .attributes = {{"axis", axis}, {"keep", keep}},
          .run = [](In in, const Attributes& a) { return argmax(in[0], int(a.integer("axis")), a.flag("keep")); },
          .reference = argmax_reference,
          .differentiable = false,
          .dtypes = {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i32, DType::i64, DType::u8}};
}
OpCase sum_to_row(Shape x, Shape shape, Values axes) {
  Values sizes(shape.begin(), shape.end());
  return {.op = "sum_to",
          .inputs = {{.shape = x}},
          .attributes = {{"shape", sizes}, {"axes", axes}},
          .run =
              [](In in, const Attributes& a) {
                const auto sizes = a.list("shape");
                return sum_to(in[0], Shape(std::span(sizes)));
              },
          .reference =
              [](const Arrays& in, const Attributes& a) {
                Array y = a.list("axes").empty() ? in[0] : reduce(in[0], a.list("axes"), true, sum_of);
                const auto sizes = a.list("shape");
                y.shape = Shape(std::span(sizes));
                return y;
              },
          .reduction = double(x.elements())};
}

std::vector<OpCase> all_rows() {
  std::vector<OpCase> rows;
  for (const Kind& kind : kKinds)
    for (OpCase& each : rows_of(kind)) rows.push_back(std::move(each));
  for (OpCase& each : std::vector<OpCase>{
           var_row({2, 3, 4, 5}, {}, 1), var_row({2, 3, 4, 5}, {0, 2, 3}, 0, true), var_row({7, 31}, {1}, 1),
           norm_row({2, 3, 4, 5}, {}, 2), norm_row({2, 3, 4, 5}, {1}, 2, true), norm_row({5, 7}, {1}, 1),
           norm_row({5, 7}, {0}, 3), norm_row({5, 7}, {1}, std::numeric_limits<double>::infinity()),
           argmax_row({4, 10}, 1), argmax_row({4, 10}, 0, true), argmax_row({2, 3, 4, 5}, 1), argmax_row({700}, 0),
           argmax_row({0, 3}, 1), sum_to_row({2, 3, 4, 5}, {3, 1, 1}, {0, 2, 3}),
           sum_to_row({2, 3, 4, 5}, {5}, {0, 1, 2}), sum_to_row({4, 6}, {4, 1}, {1}), sum_to_row({4, 6}, {}, {0, 1}),
           sum_to_row({4, 6}, {4, 6}, {})})
    rows.push_back(std::move(each));
  return rows;
}

const bool registered = add_op_cases(all_rows());

}  // namespace
}  // namespace weft::tools
