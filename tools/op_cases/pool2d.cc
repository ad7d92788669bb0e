#include "core/ops/pool2d.h"

#include <limits>

#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

// f(values inside the window, number of places in it, padding included) for each window.
Array pooled(const Array& x, const Attributes& a, const std::function<double(const std::vector<double>&, double)>& f) {
  const auto kernel = a.list("kernel"), stride = a.list("stride"), padding = a.list("padding");
  const auto start = [&](std::int64_t i, std::size_t axis) { return i * stride[axis] - padding[axis]; };
  // Windows are counted one by one: those that fit, and with ceil_mode those that start where there is something.
  const auto size = [&](std::int64_t n, std::size_t axis) {
    std::int64_t count = 0;
    while (start(count, axis) + kernel[axis] <= n + padding[axis]) ++count;
    const bool more = a.flag("ceil_mode") && start(count, axis) < n &&
                      (count == 0 || start(count - 1, axis) + kernel[axis] < n + padding[axis]);
    return count + (more ? 1 : 0);
  };
  Array y({x.size(0), x.size(1), size(x.size(2), 0), size(x.size(3), 1)});
  for (std::size_t at = 0; at < y.values.size(); ++at) {
    const Sizes i = index_at(y.shape, std::int64_t(at));
    std::vector<double> values;
    double places = 0;
    for (std::int64_t r = 0; r < kernel[0]; ++r)
      for (std::int64_t s = 0; s < kernel[1]; ++s) {
        const std::int64_t h = start(i[2], 0) + r, w = start(i[3], 1) + s;
        if (h < x.size(2) + padding[0] && w < x.size(3) + padding[1]) ++places;
        if (h >= 0 && h < x.size(2) && w >= 0 && w < x.size(3)) values.push_back(x(i[0], i[1], h, w));
      }
    y.values[at] = f(values, places);
  }
  return y;
}

Array max_reference(const Arrays& in, const Attributes& a) {
  return pooled(in[0], a, [](const std::vector<double>& v, double) { return *std::max_element(v.begin(), v.end()); });
}
Array avg_reference(const Arrays& in, const Attributes& a) {
  const bool include = a.flag("count_include_pad");
  return pooled(in[0], a, [include](const std::vector<double>& v, double window) {
    double sum = 0;
    for (const double value : v) sum += value;
    return sum / (include ? window : double(v.size()));
  });
}
Array global_reference(const Arrays& in, const Attributes&) {
  return reduce(in[0], {2, 3}, true, [](const std::vector<double>& v) {
    double sum = 0;
    for (const double value : v) sum += value;
    return sum / double(v.size());
  });
}

// Bins of real numbers [i * s / n, (i + 1) * s / n), widened to whole pixels.
Array adaptive_reference(const Arrays& in, const Attributes& a) {
  const Array& x = in[0];
  const auto out = a.list("out");
  Array y({x.size(0), x.size(1), out[0], out.back()});
  for (std::size_t at = 0; at < y.values.size(); ++at) {
    const Sizes i = index_at(y.shape, std::int64_t(at));
    double sum = 0, count = 0;
    for (std::int64_t h = 0; h < x.size(2); ++h)
      for (std::int64_t w = 0; w < x.size(3); ++w) {
        const auto meets = [](std::int64_t pixel, std::int64_t bin, std::int64_t size, std::int64_t n) {
          return (pixel + 1) * n > bin * size && pixel * n < (bin + 1) * size;
        };
        if (!meets(h, i[2], x.size(2), y.size(2)) || !meets(w, i[3], x.size(3), y.size(3))) continue;
        sum += x(i[0], i[1], h, w);
        ++count;
      }
    y.values[at] = sum / count;
  }
  return y;
}

Pool2dOptions options(const Attributes& a) {
  const auto pair = [&](std::string_view name) {
    const auto v = a.list(name);
    return Pair(int(v[0]), int(v.back()));
  };
  return {
      .kernel = pair("kernel"), .stride = pair("stride"), .padding = pair("padding"), .ceil_mode = a.flag("ceil_mode")};
}
Tensor run_max(In in, const Attributes& a) { return max_pool2d(in[0], options(a)); }
Tensor run_avg(In in, const Attributes& a) {
  Pool2dOptions o = options(a);
  o.count_include_pad = a.flag("count_include_pad");
  return avg_pool2d(in[0], o);
}
Tensor run_global(In in, const Attributes&) { return global_avg_pool2d(in[0]); }

Tensor run_adaptive(In in, const Attributes& a) {
  const auto out = a.list("out");
  return adaptive_avg_pool2d(in[0], {int(out[0]), int(out.back())});
}

Attribute list(Pair p) { return {double(p.h), double(p.w)}; }
OpCase largest(Shape x, Pair kernel, Pair stride, Pair padding = 0, bool ceil_mode = false) {
  return {.op = "max_pool2d",
          .inputs = {{.shape = x}},
          .attributes = {{"kernel", list(kernel)},
                         {"stride", list(stride)},
                         {"padding", list(padding)},
                         {"ceil_mode", ceil_mode}},
          .run = run_max,
          .reference = max_reference};
}
OpCase average(Shape x, Pair kernel, Pair stride, Pair padding = 0, bool include = true, bool ceil_mode = false) {
  return {.op = "avg_pool2d",
          .inputs = {{.shape = x}},
          .attributes = {{"kernel", list(kernel)},
                         {"stride", list(stride)},
                         {"padding", list(padding)},
                         {"count_include_pad", include},
                         {"ceil_mode", ceil_mode}},
          .run = run_avg,
          .reference = avg_reference,
          .reduction = double(kernel.h * kernel.w)};
}

OpCase adaptive(Shape x, Pair out) {
  return {.op = "adaptive_avg_pool2d",
          .inputs = {{.shape = x}},
          .attributes = {{"out", list(out)}},
          .run = run_adaptive,
          .reference = adaptive_reference,
          .reduction = double(x[2] * x[3])};
}

const bool registered = add_op_cases({
    largest({2, 3, 6, 8}, 2, 2),
    largest({2, 5, 7, 7}, 3, 2, 1),
    largest({1, 1, 1, 1}, 1, 1),
    largest({2, 17, 5, 9}, {2, 3}, {2, 3}, {0, 1}),
    largest({0, 3, 4, 4}, 2, 2),
    largest({2, 24, 10, 11}, 3, 2),
    largest({2, 40, 6, 7}, 3, 1, 1),
    largest({2, 8, 7, 8}, 3, 2, 0, true),
    largest({1, 19, 6, 5}, {3, 2}, {2, 3}, 1, true),
    largest({2, 3, 2, 5}, 3, 2, 0, true),
    largest({1, 33, 20, 18}, 16, 4, 8),
    largest({1, 3, 20, 18}, {17, 16}, {1, 5}),
    average({2, 3, 6, 8}, 2, 2),
    average({2, 5, 7, 7}, 3, 2, 1),
    average({2, 5, 7, 7}, 3, 2, 1, false),
    average({1, 16, 10, 10}, 2, 2),
    average({2, 17, 5, 9}, {2, 3}, {1, 2}, {0, 1}),
    average({2, 32, 7, 7}, 3, 1, 1, false),
    average({2, 8, 7, 8}, 3, 2, 0, true, true),
    average({1, 19, 6, 5}, {3, 2}, {2, 3}, 1, true, true),
    average({2, 5, 8, 6}, 3, 2, 1, true, true),
    average({2, 5, 8, 6}, 3, 2, 1, false, true),
    average({2, 4, 3, 8}, 2, 3, 0, true, true),
    adaptive({2, 5, 13, 13}, 6),
    adaptive({2, 24, 7, 9}, {7, 3}),
    adaptive({1, 3, 2, 5}, {5, 7}),
    adaptive({3, 8, 6, 4}, {1, 3}),
    adaptive({1, 16, 12, 6}, {6, 2}),
    {.op = "global_avg_pool2d",
     .inputs = {{.shape = {2, 5, 7, 3}}},
     .run = run_global,
     .reference = global_reference,
     .reduction = 21},
});

}  // namespace
}  // namespace weft::tools
