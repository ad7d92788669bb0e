#include "core/ops/normalized_conv2d.h"

#include <cmath>

#include "core/ops/copy.h"
#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

constexpr double kEps = 1e-2;

// Mean and biased variance of a channel, from its values one after another.
std::pair<double, double> moments(const Array& x, std::int64_t c) {
  const std::int64_t plane = x.size(2) * x.size(3), n = x.size(0) * plane;
  double mean = 0, variance = 0;
  const auto each = [&](auto&& f) {
    for (std::int64_t i = 0; i < x.size(0); ++i)
      for (std::int64_t p = 0; p < plane; ++p) f(x.values[std::size_t((i * x.size(1) + c) * plane + p)]);
  };
  each([&](double v) { mean += v / double(n); });
  each([&](double v) { variance += (v - mean) * (v - mean) / double(n); });
  return {mean, variance};
}

// The definition of the convolution, a filter tap at a time; the pixel at (h, w) of channel c is map(n, c, h, w).
template <typename Map>
Array convolve(const Array& x, const Array& filter, const Attributes& a, const Map& map) {
  const std::int64_t stride = a.integer("stride"), padding = a.integer("padding"), groups = a.integer("groups");
  const auto size = [&](int axis) { return (x.size(axis) + 2 * padding - filter.size(axis)) / stride + 1; };
  Array y({x.size(0), filter.size(0), size(2), size(3)});
  for (std::size_t at = 0; at < y.values.size(); ++at) {
    const Sizes i = index_at(y.shape, std::int64_t(at));
    const std::int64_t first = i[1] / (filter.size(0) / groups) * filter.size(1);
    for (std::int64_t c = 0; c < filter.size(1); ++c)
      for (std::int64_t r = 0; r < filter.size(2); ++r)
        for (std::int64_t s = 0; s < filter.size(3); ++s) {
          const std::int64_t h = i[2] * stride - padding + r, w = i[3] * stride - padding + s;
          if (h < 0 || h >= x.size(2) || w < 0 || w >= x.size(3)) continue;
          y.values[at] += map(i[0], first + c, h, w) * filter(i[1], c, r, s);
        }
  }
  return y;
}

// y, or its statistics (2, K) where the row is about those.
Array wanted(Array y, const Attributes& a) {
  if (!a.flag("statistics")) return y;
  Array out({2, y.size(1)});
  for (std::int64_t k = 0; k < y.size(1); ++k) std::tie(out(0, k), out(1, k)) = moments(y, k);
  return out;
}
Array reference(const Arrays& in, const Attributes& a) {
  const Array& x = in[0];
  return wanted(convolve(x, in[1], a, [&](auto n, auto c, auto h, auto w) { return x(n, c, h, w); }), a);
}
// x filter weight bias mean variance.
Array normalized_reference(const Arrays& in, const Attributes& a) {
  const Array& x = in[0];
  std::vector<std::pair<double, double>> by;
  for (std::int64_t c = 0; c < x.size(1); ++c)
    by.push_back(a.flag("training") ? moments(x, c) : std::pair(in[4](c), in[5](c)));
  return wanted(convolve(x, in[1], a,
                         [&](auto n, auto c, auto h, auto w) {
                           const auto [mean, variance] = by[std::size_t(c)];
                           const double z = (x(n, c, h, w) - mean) / std::sqrt(variance + kEps) * in[2](c) + in[3](c);
                           return std::max(z, 0.0);
                         }),
                a);
}

Conv2dOptions options(const Attributes& a) {
  return {.stride = int(a.integer("stride")), .padding = int(a.integer("padding")), .groups = int(a.integer("groups"))};
}
Tensor answer(const Convolved& out, const Attributes& a) {
  if (!a.flag("statistics")) return out.y;
  const std::int64_t channels = out.y.size(1);
  const Tensor both = empty({2, channels}, {out.y.dtype(), out.y.device()});  // as exact as the map they are of
  copy_(both.slice(0, 0, 1), out.statistics.mean.reshape({1, channels}));
  copy_(both.slice(0, 1, 2), out.statistics.variance.reshape({1, channels}));
  return both;
}
Tensor run(In in, const Attributes& a) { return answer(conv2d_with_statistics(in[0], in[1], options(a)), a); }
Tensor run_normalized(In in, const Attributes& a) {
  const BatchNormRelu norm{in[2], in[3], {in[4].clone(), in[5].clone()}, {.training = a.flag("training"), .eps = kEps}};
  return answer(normalized_conv2d(in[0], norm, in[1], options(a), a.flag("statistics")), a);
}

struct Options {
  int stride = 1, padding = 0, groups = 1;
  bool statistics = false, training = true;
};

OpCase row(Shape x, Shape filter, Options o = {}) {
  const Shape y = conv2d_shape(x, filter, {.stride = o.stride, .padding = o.padding, .groups = o.groups});
  OpCase out{.op = "conv2d_with_statistics",
             .inputs = {{.shape = x, .name = "x"}, {.shape = filter, .name = "filter"}},
             .attributes = {{"stride", o.stride},
                            {"padding", o.padding},
                            {"groups", o.groups},
                            {"statistics", o.statistics},
                            {"training", o.training}},
             .run = run,
             .reference = reference,
             .reduction = double(filter[1] * filter[2] * filter[3]) + 1,
             .gradient_reduction = std::max(double(y[0] * y[2] * y[3]), double(filter[0] * filter[2] * filter[3])),
             .differentiable = !o.statistics};
  // Winograd's transforms, as in the rows of conv2d.
  if (filter[2] >= 3) out.tolerance *= 3;
  return out;
}
OpCase normalized(Shape x, Shape filter, Options o = {}) {
  OpCase out = row(x, filter, o);
  out.op = "normalized_conv2d";
  out.run = run_normalized;
  out.reference = normalized_reference;
  // The map is rounded once more, to its dtype; its gradient goes through as many sums again.
  out.reduction *= 4;
  out.gradient_reduction = 16 * out.gradient_reduction + double(x[0] * x[2] * x[3]);
  out.inputs.push_back({.shape = {x[1]}, .low = 0.5, .high = 1.5, .name = "weight"});
  out.inputs.push_back({.shape = {x[1]}, .name = "bias"});
  out.inputs.push_back({.shape = {x[1]}, .gradient = false, .name = "running_mean"});
  out.inputs.push_back({.shape = {x[1]}, .low = 0.5, .high = 2, .gradient = false, .name = "running_variance"});
  return out;
}

const bool registered = add_op_cases({
    row({2, 5, 7, 6}, {4, 5, 1, 1}),
    row({2, 3, 7, 5}, {6, 3, 3, 3}, {.stride = 2, .padding = 1}),
    row({2, 6, 5, 5}, {9, 2, 3, 3}, {.padding = 1, .groups = 3}),
    row({0, 3, 5, 5}, {4, 3, 3, 3}),
    row({2, 5, 7, 6}, {11, 5, 1, 1}, {.statistics = true}),
    row({3, 17, 5, 5}, {16, 17, 3, 3}, {.padding = 1, .statistics = true}),
    row({2, 4, 9, 7}, {3, 4, 3, 3}, {.stride = 2, .padding = 1, .statistics = true}),
    normalized({2, 5, 7, 6}, {4, 5, 1, 1}),
    normalized({2, 16, 6, 5}, {8, 16, 3, 3}, {.padding = 1}),
    normalized({3, 3, 9, 7}, {5, 3, 3, 3}, {.stride = 2, .padding = 1}),
    normalized({2, 6, 5, 5}, {9, 2, 3, 3}, {.padding = 2, .groups = 3}),
    normalized({2, 7, 5, 6}, {5, 7, 3, 3}, {.padding = 1, .training = false}),
    normalized({0, 4, 3, 3}, {2, 4, 1, 1}),
    normalized({2, 8, 6, 5}, {13, 8, 1, 1}, {.statistics = true}),
    normalized({2, 3, 7, 7}, {4, 3, 3, 3}, {.stride = 2, .padding = 1, .statistics = true}),
});

}  // namespace
}  // namespace weft::tools
