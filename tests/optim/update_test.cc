// Flat updates against naive loops in double: all floating dtypes, odd and large sizes, one and two threads.
#include "core/ops/update.h"

#include <cmath>

#include "core/parallel.h"
#include "tests/catch.h"

using namespace weft;

namespace {

// Values in [-1, 1) by a formula, rounded to the dtype.
Tensor wave(std::int64_t n, double phase, DType dtype) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < n; ++i) values.push_back(std::sin(phase + 0.7 * static_cast<double>(i)));
  return tensor({n}, values, {.dtype = dtype});
}
double tolerance(DType dtype) {
  switch (dtype) {
    case DType::f64: return 1e-14;
    case DType::f32: return 1e-6;
    case DType::f16: return 2e-3;
    default: return 2e-2;
  }
}
void check_near(const Tensor& got, const std::vector<double>& expected) {
  const std::vector<double> values = got.to_vector();
  double worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) worst = std::max(worst, std::abs(values[i] - expected[i]));
  INFO(to_string(got.dtype()) << " " << values.size());
  CHECK(worst <= tolerance(got.dtype()));
}

class Threads {
 public:
  explicit Threads(int n) : before_(threads()) { set_threads(n); }
  ~Threads() { set_threads(before_); }

 private:
  int before_;
};

const Tensor kDynamics = tensor({2}, {0.1, 3}, {.dtype = DType::f64});  // lr, step

}  // namespace

TEST_CASE("sgd_update follows its formula for every dtype", "[optim]") {
  const auto dtype = GENERATE(DType::f32, DType::f64, DType::f16, DType::bf16);
  const std::int64_t n = GENERATE(0, 1, 17, 40000);
  const bool nesterov = GENERATE(false, true);
  const Tensor w = wave(n, 0, dtype), g = wave(n, 1, dtype), v = wave(n, 2, dtype);
  std::vector<double> w_expected = w.to_vector(), v_expected = v.to_vector();
  const std::vector<double> slopes = g.to_vector();
  for (std::size_t i = 0; i < slopes.size(); ++i) {
    const double d = slopes[i] + 0.2 * w_expected[i];
    v_expected[i] = 0.9 * v_expected[i] + d;
    w_expected[i] -= 0.1 * (nesterov ? d + 0.9 * v_expected[i] : v_expected[i]);
  }
  sgd_update(w, g, v, kDynamics, {.momentum = 0.9, .weight_decay = 0.2, .nesterov = nesterov});
  check_near(w, w_expected);
  check_near(v, v_expected);
}

TEST_CASE("adam_update follows its formula for every dtype", "[optim]") {
  const auto dtype = GENERATE(DType::f32, DType::f64, DType::f16, DType::bf16);
  const std::int64_t n = GENERATE(0, 1, 17, 40000);
  const bool decoupled = GENERATE(false, true);
  const Tensor w = wave(n, 0, dtype), g = wave(n, 1, dtype), m = wave(n, 2, dtype);
  const Tensor s = full({n}, 0.5, {.dtype = dtype});
  std::vector<double> w_expected = w.to_vector();
  const std::vector<double> slopes = g.to_vector(), means = m.to_vector();
  for (std::size_t i = 0; i < slopes.size(); ++i) {
    const double d = slopes[i] + (decoupled ? 0 : 0.2 * w_expected[i]);
    const double mean = 0.9 * means[i] + 0.1 * d, square = 0.99 * 0.5 + 0.01 * d * d;
    const double root = std::sqrt(square / (1 - std::pow(0.99, 3)));
    if (decoupled) w_expected[i] *= 1 - 0.1 * 0.2;
    w_expected[i] -= 0.1 / (1 - std::pow(0.9, 3)) * mean / (root + 1e-8);
  }
  adam_update(w, g, m, s, kDynamics, {.beta2 = 0.99, .weight_decay = 0.2, .decoupled = decoupled});
  check_near(w, w_expected);
}

TEST_CASE("clip_by_norm scales several tensors by their common norm", "[optim][R5]") {
  const auto dtype = GENERATE(DType::f32, DType::f64, DType::f16, DType::bf16);
  const Tensor a = wave(40000, 0, dtype), b = wave(3, 1, dtype);
  std::vector<double> a_expected = a.to_vector(), b_expected = b.to_vector();
  double squares = 0;
  for (const double x : a_expected) squares += x * x;
  for (const double x : b_expected) squares += x * x;
  const double norm = std::sqrt(squares);
  for (double& x : a_expected) x *= 2 / norm;
  for (double& x : b_expected) x *= 2 / norm;
  const Tensor both[] = {a, b};
  CHECK(clip_by_norm(both, 1e6).item() == Approx(norm).epsilon(1e-12));
  CHECK(a.to_vector()[1] != Approx(a_expected[1]));  // a norm below the bound changes nothing
  CHECK(clip_by_norm(both, 2).item() == Approx(norm).epsilon(1e-12));
  check_near(a, a_expected);
  check_near(b, b_expected);
}

TEST_CASE("clipping shows a gradient that is not finite", "[optim][N4]") {
  const Tensor x = tensor({3}, {1, std::nan(""), 3});
  CHECK(std::isnan(clip_by_norm({&x, 1}, 1).item()));
  CHECK(x.to_vector()[2] == 3);
  clip_by_value(x, 2);
  CHECK(std::isnan(x.to_vector()[1]));
  CHECK(x.to_vector()[2] == 2);
}

TEST_CASE("updates give the same bits on one and two threads", "[optim]") {
  const auto run = [](int n) {
    const Threads with(n);
    const Tensor w = wave(300001, 0, DType::f32), g = wave(300001, 1, DType::f32);
    const Tensor m = zeros({300001}), s = zeros({300001});
    const double norm = clip_by_norm({&g, 1}, 1).item();
    sgd_update(w, g, m, kDynamics, {.momentum = 0.9, .weight_decay = 0.1});
    adam_update(w, g, m, s, kDynamics, {});
    std::vector<double> all = w.to_vector();
    all.push_back(norm);
    return all;
  };
  CHECK(run(1) == run(2));
}

TEST_CASE("updates refuse operands that do not belong together", "[optim]") {
  const Tensor w = ones({3}), g = ones({4});
  CHECK_THROWS_WITH(sgd_update(w, g, {}, kDynamics, {}),
                    contains("values are (3,) f32 but another operand is (4,) f32"));
  CHECK_THROWS_WITH(sgd_update(w, w, {}, kDynamics, {.momentum = 0.5}), contains("needs a tensor to keep it in"));
  CHECK_THROWS_WITH(sgd_update(w, w, {}, ones({2}), {}), contains("dynamics must be (2,) f64"));
  CHECK_THROWS_WITH(sgd_update(ones({2, 2}), w, {}, kDynamics, {}), contains("values must be dense (n,)"));
  CHECK_THROWS_WITH(clip_by_norm({&w, 1}, 0), contains("positive norm"));
}
