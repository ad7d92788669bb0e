// Reduction kernels where the op table's rows do not lead: the bits do not depend on where x lies in memory, NaN is the
// largest and the smallest, integers do not overflow on their way, any strides.
#include "core/ops/reduce.h"

#include <cmath>
#include <limits>

#include "core/ops/copy.h"
#include "tests/catch.h"
#include "tests/emulated/draws.h"
#include "tests/emulated/same_bits.h"

using namespace weft;
using tests::kEmulated;
using tests::same_bits;
using tests::uniform;

TEST_CASE("a sum's bits depend on the shape alone, not on addresses") {
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16})
    for (const auto& [shape, axes] : {std::pair{Shape{3, 1200}, Axes{1}}, std::pair{Shape{70, 64}, Axes{0}},
                                      std::pair{Shape{4, 40000}, Axes{}}, std::pair{Shape{9, 24}, Axes{1}}}) {
      INFO(message(dtype, " ", shape));
      const Tensor x = uniform(shape, -1, 1, dtype, 3).to(kEmulated);
      const Tensor room = empty({shape.elements() + 1}, {.dtype = dtype, .device = kEmulated});
      const Tensor shifted = room.slice(0, 1, shape.elements() + 1).reshape(shape);  // no pack is aligned
      copy_forward(x, shifted);
      CHECK(same_bits(sum(x, axes), sum(shifted, axes)));
    }
}

TEST_CASE("partial sums of f32 meet in f64") {
  // Two large numbers that cancel, and small ones between, which none of the threads that own those two owns.
  constexpr std::int64_t n = 2048;
  const Tensor x = zeros({n});
  const auto values = x.values<float>();
  double wanted = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t owner = i % 256, pack = i % 1024 / 4;
    values[i] = i % 3 == 1 && owner != 0 && owner != 255 && pack != 0 && pack != 255 ? 1.0f : 0.0f;
    wanted += values[i];
  }
  values[0] = 1e8f, values[n - 1] = -1e8f;
  const Tensor there = x.to(kEmulated);
  CHECK(sum(there).item() == wanted);
  const Tensor columns = there.reshape({n, 1}).expand({n, 4}).contiguous();
  CHECK(sum(columns, {0}).to_vector() == std::vector<double>(4, wanted));
}

TEST_CASE("integers are summed in 64 bits and have a largest and a smallest") {
  const Tensor x = full({2, 700}, 200, {.dtype = DType::u8, .device = kEmulated});
  CHECK(sum(x).to_vector()[0] == 2 * 700 * 200 % 256);  // the sum's low bits: it keeps the dtype
  constexpr auto low = std::numeric_limits<std::int64_t>::min(), high = std::numeric_limits<std::int64_t>::max();
  const Tensor y = empty({3}, {.dtype = DType::i64});
  y.values<std::int64_t>()[0] = low, y.values<std::int64_t>()[1] = high, y.values<std::int64_t>()[2] = 0;
  const Tensor there = y.to(kEmulated);
  CHECK(min(there).to(Device{}).values<std::int64_t>()[0] == low);
  CHECK(max(there).to(Device{}).values<std::int64_t>()[0] == high);
}

TEST_CASE("NaN is the largest, the smallest and the first of equals") {
  const double nan = std::nan("");
  const Tensor x = tensor({3, 4}, {1, nan, 3, nan, 7, 7, 2, 7, -1, -2, -1, -4}).to(kEmulated);
  for (const bool wide : {false, true}) {
    // With the axis inside, and with other results' elements between.
    const Tensor each = wide ? x.transpose().contiguous().transpose() : x;
    const std::vector<double> largest = max(each, {1}).to_vector(), smallest = min(each, {1}).to_vector();
    CHECK((std::isnan(largest[0]) && std::isnan(smallest[0])));
    CHECK((largest[1] == 7 && smallest[1] == 2 && largest[2] == -1 && smallest[2] == -4));
    CHECK(argmax(each, 1).to_vector() == std::vector<double>{1, 0, 0});
  }
  const Tensor ties = zeros({5000}, {.device = kEmulated});
  CHECK(argmax(ties, 0).item() == 0);
}

TEST_CASE("reductions and argmax take any strides") {
  const Tensor x = uniform({6, 10, 14, 5}, -1, 1, DType::f64, 9), there = x.to(kEmulated);
  const auto views = [](const Tensor& t) {
    return std::vector<Tensor>{t.permute({3, 0, 2, 1}), t.slice(2, 1, 12, 3), t.select(1, 4).expand({3, 6, 14, 5}),
                               t.permute({1, 3, 2, 0}).slice(0, 2, 9, 2)};
  };
  const std::vector<Tensor> a = views(x), b = views(there);
  for (std::size_t i = 0; i < a.size(); ++i)
    for (const Axes& axes : {Axes{0}, Axes{1}, Axes{-1}, Axes{0, 2}, Axes{1, -1}, Axes{0, 1}, Axes{}}) {
      INFO(message("view ", i));
      const std::vector<double> here = sum(a[i], axes).to_vector(), other = sum(b[i], axes).to_vector();
      REQUIRE(here.size() == other.size());
      for (std::size_t k = 0; k < here.size(); ++k) CHECK(other[k] == Approx(here[k]).epsilon(1e-12).margin(1e-12));
      CHECK(same_bits(max(a[i], axes), max(b[i], axes)));
      if (axes.count == 1) CHECK(same_bits(argmax(a[i], axes.values[0]), argmax(b[i], axes.values[0])));
    }
}
