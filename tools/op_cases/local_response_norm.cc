#include "core/ops/local_response_norm.h"

#include <cmath>

#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

Array reference(const Arrays& in, const Attributes& a) {
  const Array& x = in[0];
  const std::int64_t size = a.integer("size"), first = -(size / 2);
  Array y(x.shape);
  for (std::size_t at = 0; at < y.values.size(); ++at) {
    const Sizes i = index_at(y.shape, std::int64_t(at));
    double sum = 0;
    for (std::int64_t c = i[1] + first; c < i[1] + first + size; ++c)
      if (c >= 0 && c < x.size(1)) sum += x(i[0], c, i[2], i[3]) * x(i[0], c, i[2], i[3]);
    y.values[at] = x.values[at] / std::pow(a.number("k") + a.number("alpha") * sum / double(size), a.number("beta"));
  }
  return y;
}
Tensor run(In in, const Attributes& a) {
  return local_response_norm(
      in[0],
      {.size = int(a.integer("size")), .alpha = a.number("alpha"), .beta = a.number("beta"), .k = a.number("k")});
}
OpCase row(Shape x, int size, double alpha, double beta, double k) {
  return {.op = "local_response_norm",
          .inputs = {{.shape = x, .low = -3, .high = 3}},
          .attributes = {{"size", size}, {"alpha", alpha}, {"beta", beta}, {"k", k}},
          .run = run,
          .reference = reference,
          .reduction = double(size),
          .gradient_reduction = double(4 * size)};
}

const bool registered = add_op_cases({
    row({2, 9, 3, 4}, 5, 0.5, 0.75, 1),
    row({2, 24, 5, 2}, 5, 1e-4, 0.75, 2),
    row({1, 3, 9, 9}, 4, 1.5, 0.5, 0.5),
    row({2, 2, 3, 3}, 7, 1, 1.25, 1),
    row({1, 1, 1, 1}, 1, 2, 0.75, 1),
    row({3, 33, 1, 5}, 2, 1, 1, 1),
    row({0, 3, 2, 2}, 5, 1, 0.75, 1),
});

}  // namespace
}  // namespace weft::tools
