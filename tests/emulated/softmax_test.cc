// Softmax kernels where the op table's rows do not lead: rows too long to be kept in shared memory, more rows than
// blocks take at once, and numbers that are not finite.
#include "core/ops/softmax.h"

#include <cmath>
#include <limits>

#include "tests/catch.h"
#include "tests/emulated/draws.h"
#include "tests/emulated/same_bits.h"

using namespace weft;
using tests::kEmulated;
using tests::uniform;

namespace {

// Whether the emulated device and the CPU agree up to a few roundings of numbers of size 1.
void check_close(const Tensor& got, const Tensor& wanted, double allowed) {
  const std::vector<double> a = got.to_vector(), b = wanted.to_vector();
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, std::abs(a[i] - b[i]) / std::max(1.0, std::abs(b[i])));
  CHECK(worst <= allowed);
}

}  // namespace

TEST_CASE("softmax kernels agree with the CPU for long rows and many rows") {
  // In f32 a thread keeps at most 44 numbers of a row, a block 11264.
  for (const Shape& shape : {Shape{2, 11264}, Shape{2, 11265}, Shape{3, 20000}, Shape{40, 1030}, Shape{1300, 33}})
    for (const DType dtype : {DType::f32, DType::bf16}) {
      INFO(message(shape, " ", dtype));
      const Tensor x = uniform(shape, -6, 6, dtype, 5);
      const Tensor dy = uniform(shape, -1, 1, dtype, 6);
      const double allowed = dtype == DType::f32 ? 2e-6 : 1e-2;
      for (const bool log : {false, true}) {
        const auto& forward = log ? log_softmax_forward : softmax_forward;
        const auto& backward = log ? log_softmax_backward : softmax_backward;
        const Tensor y = empty_like(x), dx = empty_like(x), x_there = x.to(kEmulated);
        const Tensor y_there = empty_like(x_there), dx_there = empty_like(x_there);
        forward(x, y);
        forward(x_there, y_there);
        check_close(y_there, y, allowed);
        backward(y, dy, dx);
        backward(y.to(kEmulated), dy.to(kEmulated), dx_there);
        check_close(dx_there, dx, allowed);
      }
    }
}

TEST_CASE("softmax kernels pass infinities and NaN on as the CPU does") {
  constexpr double infinity = std::numeric_limits<double>::infinity(), nan = std::nan("");
  const Tensor x = tensor({4, 3}, {1, -infinity, 2, -infinity, -infinity, -infinity, 0, nan, 1, infinity, 0, 1});
  for (const auto& f : {softmax, log_softmax}) {
    const std::vector<double> here = f(x, -1).to_vector(), there = f(x.to(kEmulated), -1).to_vector();
    for (std::size_t i = 0; i < here.size(); ++i) {
      INFO(i);
      CHECK((std::isnan(here[i]) ? std::isnan(there[i]) : there[i] == Approx(here[i])));
    }
  }
}
