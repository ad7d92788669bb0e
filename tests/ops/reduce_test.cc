// What the op table does not say of reductions: NaN, ties, empty ones, accuracy, error texts.
#include "core/ops/reduce.h"

#include <cmath>
#include <limits>

#include "core/ops/elementwise.h"
#include "core/ops/random.h"
#include "core/parallel.h"
#include "tests/catch.h"

using namespace weft;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Values = std::vector<double>;

}  // namespace

TEST_CASE("NaN wins in max, min and argmax") {
  for (const DType dtype : {DType::f32, DType::f64, DType::f16}) {
    for (int at = 0; at < 40; ++at) {
      Values values(40);
      for (int i = 0; i < 40; ++i) values[std::size_t(i)] = i == at ? kNaN : (i * 7) % 40;
      const Tensor x = tensor({40}, values, {.dtype = dtype});
      CHECK(std::isnan(max(x).item()));
      CHECK(std::isnan(min(x).item()));
      CHECK(argmax(x, 0).item() == at);
      CHECK(std::isnan(max(x.reshape({40, 1}).expand({40, 3}), 0).to_vector()[2]));
    }
  }
}

TEST_CASE("argmax takes the first of equals", "[L10]") {
  CHECK(argmax(tensor({2, 4}, {1, 3, 3, 0, 5, 5, 5, 5}), 1).to_vector() == Values{1, 0});
  CHECK(argmax(tensor({2, 3}, {.1, .3, .6, .3, .2, .5}), 1).to_vector() == Values{2, 2});
}

TEST_CASE("accuracy from argmax: one of two predictions is right", "[L2][L10]") {
  const Tensor y = tensor({2}, {0, 2}, {.dtype = DType::i64});
  const Tensor hit = equal(argmax(tensor({2, 3}, {.1, .3, .6, .3, .2, .5}), 1), y);
  CHECK(mean(hit.to(DType::f32)).item() == 0.5);
}

TEST_CASE("equal extremes share the gradient of max and min evenly") {
  const Tensor x = tensor({4}, {3, 1, 3, 3}, {.dtype = DType::f64});
  x.set_requires_grad();
  max(x).backward();
  CHECK(x.grad().to_vector()[0] == Approx(1.0 / 3));
  CHECK(x.grad().to_vector()[1] == 0);
}

TEST_CASE("reductions of nothing: sum 0, mean NaN, max and argmax refuse") {
  const Tensor x = empty({0, 3});
  CHECK(sum(x).item() == 0);
  CHECK(sum(x, 0).to_vector() == Values{0, 0, 0});
  CHECK(std::isnan(mean(x).item()));
  CHECK(norm(x).item() == 0);
  CHECK(sum(x, 1).shape() == Shape{0});
  CHECK_THROWS_WITH(max(x, 0), contains("max: x (0, 3) has no elements"));
  CHECK_THROWS_WITH(argmax(x, 0), contains("argmax: x (0, 3) has no elements"));
  CHECK(max(x, 1).shape() == Shape{0});
}

TEST_CASE("a sum of 16 million f32 ones is exact, and of tenths good to 2e-7") {
  CHECK(sum(ones({1 << 24})).item() == 1 << 24);
  CHECK(sum(full({1 << 22}, 0.1)).item() == Approx(double(0.1f) * (1 << 22)).epsilon(2e-7));
  CHECK(sum(full({1 << 20, 3}, 0.1), 0).to_vector()[1] == Approx(double(0.1f) * (1 << 20)).epsilon(2e-7));
  CHECK(mean(full({70000}, 60000, {.dtype = DType::f16})).item() == Approx(60000).epsilon(1e-3));  // no overflow
}

TEST_CASE("a large sum has the same bits with 1, 2 and 3 threads") {
  const Tensor x = empty({1 << 21}, {.dtype = DType::f64});
  normal_(x, 0, 1, {3, 5});
  const Tensor columns = x.reshape({1 << 19, 4});
  const int before = threads();
  std::vector<Values> sums;
  for (const int n : {1, 2, 3}) {
    set_threads(n);
    Values both = sum(columns, 0).to_vector();
    both.push_back(sum(x).item());
    sums.push_back(both);
  }
  set_threads(before);
  CHECK(sums[1] == sums[0]);
  CHECK(sums[2] == sums[0]);
}

TEST_CASE("variance survives a mean far larger than the deviation") {
  const Tensor x = empty({100000});
  normal_(x, 10000, 1, {3, 4});
  CHECK(var(x).item() == Approx(1).epsilon(0.02));
  CHECK(std::isnan(var(ones({1})).item()));
}

TEST_CASE("a zero norm has gradient 0") {
  const Tensor x = zeros({3}, {.dtype = DType::f64});
  x.set_requires_grad();
  norm(x).backward();
  CHECK(x.grad().to_vector() == Values{0, 0, 0});
}

TEST_CASE("reductions take views: expanded, strided and channels-last alike") {
  const Tensor x = arange(24).reshape({2, 3, 2, 2});
  const Tensor last = x.to(MemoryFormat::channels_last);
  CHECK(sum(last, {0, 2, 3}).to_vector() == sum(x, {0, 2, 3}).to_vector());
  CHECK(sum(last, 1).to_vector() == sum(x, 1).to_vector());
  CHECK(sum(ones({1}).expand({1000})).item() == 1000);
  CHECK(sum(arange(10).slice(0, 0, 10, 3)).item() == 18);
}

TEST_CASE("errors of reductions name the axis") {
  CHECK_THROWS_WITH(sum(ones({2, 3}), 2), contains("sum: axis 2 is out of range for a tensor with 2 axes"));
  CHECK_THROWS_WITH(sum(ones({2, 3}), {0, -2}), contains("sum: axis 0 is named twice"));
  CHECK_THROWS_WITH(mean(ones({2}, {.dtype = DType::i64})), contains("mean: needs f32"));
  CHECK_THROWS_WITH(sum_to(ones({2, 3}), {2}), contains("do not broadcast"));
  CHECK_THROWS_WITH(norm(ones({2}), {}, false, 0), contains("norm: p must be positive"));
}
