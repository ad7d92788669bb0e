#include "core/ops/softmax.h"

#include <cmath>

#include "tools/op_cases/op_case.h"

namespace weft::tools {
namespace {

Array softmax_of(const Array& x, int axis, bool log) {
  axis = axis < 0 ? axis + x.shape.rank() : axis;
  Array y(x.shape);
  for (std::size_t at = 0; at < y.values.size(); ++at) {
    Sizes index = index_at(x.shape, std::int64_t(at));
    double sum = 0;
    for (std::int64_t i = 0; i < x.shape[axis]; ++i) {
      index[axis] = i;
      sum += std::exp(x.values[std::size_t(position_of(x.shape, index))]);
    }
    y.values[at] = log ? x.values[at] - std::log(sum) : std::exp(x.values[at]) / sum;
  }
  return y;
}
Array reference(const Arrays& in, const Attributes& a) { return softmax_of(in[0], int(a.integer("axis")), false); }
Array log_reference(const Arrays& in, const Attributes& a) { return softmax_of(in[0], int(a.integer("axis")), true); }
Tensor run(In in, const Attributes& a) { return softmax(in[0], int(a.integer("axis"))); }
Tensor run_log(In in, const Attributes& a) { return log_softmax(in[0], int(a.integer("axis"))); }

OpCase row(Shape x, int axis, double range = 3) {
  return {.op = "softmax",
          .inputs = {{.shape = x, .low = -range, .high = range}},
          .attributes = {{"axis", axis}},
          .run = run,
          .reference = reference,
          .reduction = 1 + double(x[axis < 0 ? axis + x.rank() : axis])};
}
OpCase log_row(Shape x, int axis, double range = 3) {
  OpCase out = row(x, axis, range);
  out.op = "log_softmax", out.run = run_log, out.reference = log_reference;
  return out;
}

const bool registered = add_op_cases({
    row({4, 7}, 1),
    row({4, 7}, 0),
    row({2, 3, 5}, 1),
    row({3, 10}, -1, 20),
    row({1}, 0),
    row({5, 12}, 1),
    row({3, 40}, -1),
    row({2, 1024}, -1),
    row({2, 1031}, -1),
    row({0, 5}, -1),
    log_row({4, 7}, 1),
    log_row({4, 7}, 0),
    log_row({2, 3, 4, 5}, 1),
    log_row({3, 10}, -1, 20),
    log_row({5, 12}, 1),
    log_row({2, 1024}, -1),
    log_row({2, 1031}, -1),
});

}  // namespace
}  // namespace weft::tools
