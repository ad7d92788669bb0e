#include "core/ops/pool2d.h"

#include <limits>

#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

// f(values inside the window, size of the whole window) for each window.
Array pooled(const Array& x, const Attributes& a, const std::function<double(const std::vector<double>&, double)>& f) {
  const auto kernel = a.list("kernel"), stride = a.list("stride"), padding = a.list("padding");
  const auto size = [&](std::int64_t n, std::size_t i) { return (n + 2 * padding[i] - kernel[i]) / stride[i] + 1; };
  Array y({x.size(0), x.size(1), size(x.size(2), 0), size(x.size(3), 1)});
  for (std::size_t at = 0; at < y.values.size(); ++at) {
    const Sizes i = index_at(y.shape, std::int64_t(at));
    std::vector<double> values;
    for (std::int64_t r = 0; r < kernel[0]; ++r)
      for (std::int64_t s = 0; s < kernel[1]; ++s) {
        const std::int64_t h = i[2] * stride[0] - padding[0] + r, w = i[3] * stride[1] - padding[1] + s;
        if (h >= 0 && h < x.size(2) && w >= 0 && w < x.size(3)) values.push_back(x(i[0], i[1], h, w));
      }
    y.values[at] = f(values, double(kernel[0] * kernel[1]));
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

Pool2dOptions options(const Attributes& a) {
  const auto pair = [&](std::string_view name) {
    const auto v = a.list(name);
    return Pair(int(v[0]), int(v.back()));
  };
  return {.kernel = pair("kernel"), .stride = pair("stride"), .padding = pair("padding")};
}
Tensor run_max(In in, const Attributes& a) { return max_pool2d(in[0], options(a)); }
Tensor run_avg(In in, const Attributes& a) {
  Pool2dOptions o = options(a);
  o.count_include_pad = a.flag("count_include_pad");
  return avg_pool2d(in[0], o);
}
Tensor run_global(In in, const Attributes&) { return global_avg_pool2d(in[0]); }

Attributes window(Pair kernel, Pair stride, Pair padding) {
  const auto list = [](Pair p) { return Attribute{double(p.h), double(p.w)}; };
  return {{"kernel", list(kernel)}, {"stride", list(stride)}, {"padding", list(padding)}};
}
OpCase largest(Shape x, Pair kernel, Pair stride, Pair padding = 0) {
  return {.op = "max_pool2d",
          .inputs = {{.shape = x}},
          .attributes = window(kernel, stride, padding),
          .run = run_max,
          .reference = max_reference};
}
OpCase average(Shape x, Pair kernel, Pair stride, Pair padding = 0, bool include = true) {
  const auto list = [](Pair p) { return Attribute{double(p.h), double(p.w)}; };
  return {.op = "avg_pool2d",
          .inputs = {{.shape = x}},
          .attributes = {{"kernel", list(kernel)},
                         {"stride", list(stride)},
                         {"padding", list(padding)},
                         {"count_include_pad", include}},
          .run = run_avg,
          .reference = avg_reference,
          .reduction = double(kernel.h * kernel.w)};
}

const bool registered = add_op_cases({
    largest({2, 3, 6, 8}, 2, 2),
    largest({2, 5, 7, 7}, 3, 2, 1),
    largest({1, 1, 1, 1}, 1, 1),
    largest({2, 17, 5, 9}, {2, 3}, {2, 3}, {0, 1}),
    largest({0, 3, 4, 4}, 2, 2),
    average({2, 3, 6, 8}, 2, 2),
    average({2, 5, 7, 7}, 3, 2, 1),
    average({2, 5, 7, 7}, 3, 2, 1, false),
    average({1, 16, 10, 10}, 2, 2),
    average({2, 17, 5, 9}, {2, 3}, {1, 2}, {0, 1}),
    {.op = "global_avg_pool2d",
     .inputs = {{.shape = {2, 5, 7, 3}}},
     .run = run_global,
     .reference = global_reference,
     .reduction = 21},
});

}  // namespace
}  // namespace weft::tools
