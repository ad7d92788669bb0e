// An affine map and its GELU, by parts: the plain slots of the device do the work, so all kinds of devices have this
// candidate; it writes and reads the map once more than a product with the function in its epilogue.
#include "core/ops/elementwise.h"
#include "core/ops/matmul.h"

namespace weft {
namespace {

void by_parts(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& z, const Tensor& y) {
  const Tensor& map = z.defined() ? z : y;
  linear_forward(x, weight, bias, map);
  unary_forward(Unary::gelu_tanh, {}, map, y);
}

[[maybe_unused]] const bool registered = [] {
  for (const DeviceKind kind : {DeviceKind::cpu, DeviceKind::cuda, DeviceKind::emulated})
    linear_gelu_forward.add({.device = kind, .name = "plain.parts", .rank = 200, .run = by_parts});
  return true;
}();

}  // namespace
}  // namespace weft
