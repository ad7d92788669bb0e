// Rows of random numbers and dropout. The references draw element by element from the definition in core/random.h.
#include "core/ops/random.h"

#include <cmath>
#include <map>

#include "core/ops/dropout.h"
#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

RandomStream stream_of(const Attributes& a) { return {std::uint64_t(a.integer("seed")), 5}; }

template <typename F>
Array drawn(const Arrays& in, const Attributes& a, F f) {
  Array y(in[0].shape);
  for (std::size_t i = 0; i < y.values.size(); ++i) y.values[i] = f(stream_of(a), std::uint64_t(i));
  return y;
}
double standard_normal(RandomStream stream, std::uint64_t i) {
  const std::uint64_t pair = i / 2 * 2;
  // In f32, as the definition has it: near u = 1 its rounding is all there is to the radius.
  const double u = std::fma(float(random_word(stream, pair) >> 1), 0x1p-31f, 0x1p-32f);
  const double turn = double(random_word(stream, pair + 1) >> 8) / 0x1p24;
  const double radius = std::sqrt(-2 * std::log(u));
  return radius * (i % 2 == 0 ? std::cos(2 * M_PI * turn) : std::sin(2 * M_PI * turn));
}

OpCase fill_row(const char* op, Shape shape, Attributes attributes, Tensor (*run)(In, const Attributes&),
                Array (*reference)(const Arrays&, const Attributes&)) {
  return {.op = op,
          .inputs = {{.shape = shape}},
          .attributes = std::move(attributes),
          .run = run,
          .reference = reference,
          .tolerance = 16,  // sin and cos err by 1e-7 of 1, the radius reaches 6.7 and is scaled by 2
          .differentiable = false,
          .dtypes = {DType::f32, DType::f16, DType::bf16}};
}
OpCase uniform_row(Shape shape) {
  return fill_row(
      "uniform_", shape, {{"low", -2}, {"high", 3}, {"seed", 7}},
      [](In in, const Attributes& a) {
        const Tensor y = in[0].clone();
        uniform_(y, a.number("low"), a.number("high"), stream_of(a));
        return y;
      },
      [](const Arrays& in, const Attributes& a) {
        return drawn(in, a, [&](RandomStream s, std::uint64_t i) {
          return a.number("low") + (a.number("high") - a.number("low")) * double(random_word(s, i) >> 8) / 0x1p24;
        });
      });
}
OpCase normal_row(Shape shape) {
  return fill_row(
      "normal_", shape, {{"mean", 0.5}, {"std", 2}, {"seed", 7}},
      [](In in, const Attributes& a) {
        const Tensor y = in[0].clone();
        normal_(y, a.number("mean"), a.number("std"), stream_of(a));
        return y;
      },
      [](const Arrays& in, const Attributes& a) {
        return drawn(in, a, [&](RandomStream s, std::uint64_t i) {
          return a.number("mean") + a.number("std") * standard_normal(s, i);
        });
      });
}
// Element i tries the four normals of block i, then of block i + 2^44, …
OpCase truncated_row(Shape shape) {
  return fill_row(
      "truncated_normal_", shape, {{"mean", 0.5}, {"std", 2}, {"low", -1}, {"high", 2}, {"seed", 7}},
      [](In in, const Attributes& a) {
        const Tensor y = in[0].clone();
        truncated_normal_(y, a.number("mean"), a.number("std"), a.number("low"), a.number("high"), stream_of(a));
        return y;
      },
      [](const Arrays& in, const Attributes& a) {
        return drawn(in, a, [&](RandomStream s, std::uint64_t i) {
          for (std::uint64_t attempt = 0;; ++attempt)
            for (const std::uint64_t k : {0, 1, 2, 3}) {
              const double z = standard_normal(s, 4 * (i + (attempt << 44)) + k);
              const double value = a.number("mean") + a.number("std") * z;
              if (value >= a.number("low") && value <= a.number("high")) return value;
            }
        });
      });
}
OpCase bernoulli_row(Shape shape, double p) {
  return fill_row(
      "bernoulli_", shape, {{"p", p}, {"seed", 7}},
      [](In in, const Attributes& a) {
        const Tensor y = in[0].clone();
        bernoulli_(y, a.number("p"), stream_of(a));
        return y;
      },
      [](const Arrays& in, const Attributes& a) {
        return drawn(in, a, [&](RandomStream s, std::uint64_t i) {
          return double(random_word(s, i) >> 8) / 0x1p24 < a.number("p") ? 1.0 : 0.0;
        });
      });
}
OpCase dropout_row(Shape shape, double p) {
  return {.op = "dropout",
          .inputs = {{.shape = shape}},
          .attributes = {{"p", p}, {"seed", 3}},
          .run = [](In in, const Attributes& a) { return dropout(in[0], a.number("p"), stream_of(a)); },
          .reference =
              [](const Arrays& in, const Attributes& a) {
                const double p = a.number("p");
                Array y = drawn(in, a, [&](RandomStream s, std::uint64_t i) {
                  return double(random_word(s, i) >> 8) / 0x1p24 < p ? 0 : 1 / (1 - p);
                });
                for (std::size_t i = 0; i < y.values.size(); ++i) y.values[i] *= in[0].values[i];
                return p == 1 ? Array(y.shape) : y;
              },
          .reduction = 4};
}

// The rank of each number's 64-bit key.
OpCase permutation_row(std::int64_t n) {
  return {.op = "permutation",
          .inputs = {{.shape = {n}, .gradient = false}},  // says how many and where
          .attributes = {{"seed", 7}},
          .run = [](In in, const Attributes& a) { return permutation(in[0].elements(), stream_of(a), in[0].device()); },
          .reference =
              [](const Arrays& in, const Attributes& a) {
                std::map<std::pair<std::uint64_t, std::uint64_t>, double> by_key;
                for (std::uint64_t i = 0; i < in[0].values.size(); ++i)
                  by_key[{random_word(stream_of(a), 2 * i), random_word(stream_of(a), 2 * i + 1)}] = double(i);
                Array y(in[0].shape);
                std::size_t at = 0;
                for (const auto& [key, i] : by_key) y.values[at++] = i;
                return y;
              },
          .differentiable = false,
          .dtypes = {DType::f32}};
}

const bool registered = add_op_cases({
    uniform_row({2, 3, 4, 5}), uniform_row({66001}),        normal_row({2, 3, 4, 5}),  normal_row({66001}),
    normal_row({0}),           truncated_row({2, 3, 4, 5}), truncated_row({7001}),     bernoulli_row({66001}, 0.3),
    bernoulli_row({5}, 0),     bernoulli_row({5}, 1),       dropout_row({13, 7}, 0.2), dropout_row({2, 3, 4, 5}, 0.5),
    dropout_row({66001}, 0.9), dropout_row({0, 3}, 0.5),    permutation_row(5000),     permutation_row(1),
    permutation_row(0),        dropout_row({5}, 0),         dropout_row({5}, 1),
});

}  // namespace
}  // namespace weft::tools
