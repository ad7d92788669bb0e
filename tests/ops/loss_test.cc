// Softmax and losses on figures computed by hand, as identities, and their errors.
#include "core/ops/loss.h"

#include <numbers>

#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "core/ops/reduce.h"
#include "core/ops/softmax.h"
#include "tests/catch.h"

using namespace weft;

namespace {

using Values = std::vector<double>;

void check_near(const Tensor& x, const Values& expected, double tolerance) {
  const Values values = x.to_vector();
  REQUIRE(values.size() == expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i] == Approx(expected[i]).margin(tolerance));
}
Tensor labels(std::initializer_list<double> values) {
  return tensor({std::int64_t(values.size())}, values, {.dtype = DType::i64});
}

// Value and gradient of a loss of one difference x - 0.
template <typename Loss>
std::pair<double, double> at(double d, Loss loss) {
  const Tensor x = tensor({1}, {d}).set_requires_grad();
  const Tensor y = loss(x, tensor({1}, {0}));
  y.backward();
  return {y.item(), x.grad().item()};
}

}  // namespace

TEST_CASE("softmax does not overflow and its rows sum to 1", "[ops][L1]") {
  const Values expected = {0.09003057, 0.24472847, 0.66524096};
  check_near(softmax(tensor({3}, {1, 2, 3})), expected, 1e-7);
  check_near(softmax(tensor({3}, {1000, 1001, 1002})), expected, 1e-7);
  check_near(softmax(tensor({3}, {-1000, -999, -998})), expected, 1e-7);
  check_near(log_softmax(tensor({2}, {1000, 0})), {0, -1000}, 0);
  const Tensor x = tensor({2, 4}, {3, -8, 0.5, 2, 90, 91, -90, 0});
  check_near(sum(softmax(x, 1), {1}), {1, 1}, 1e-6);
  check_near(sum(softmax(x, 0), {0}), {1, 1, 1, 1}, 1e-6);
}

TEST_CASE("cross-entropy is -log of the target's probability", "[ops][L2][L9]") {
  const Tensor p = tensor({2, 3}, {0.1, 0.3, 0.6, 0.3, 0.2, 0.5});
  check_near(cross_entropy(log(p), labels({0, 2}), {.reduction = Reduction::none}), {2.3026, 0.6931}, 5e-5);
  check_near(mean(equal(argmax(p, 1), labels({0, 2})).to(DType::f32)), {0.5}, 0);

  const Tensor logits = tensor({1, 3}, {1, 2, 3}).set_requires_grad();
  const Tensor loss = cross_entropy(logits, labels({2}));
  loss.backward();
  check_near(loss, {0.40760596}, 1e-7);
  check_near(logits.grad(), {0.09003057, 0.24472847, 0.66524096 - 1}, 1e-7);
}

TEST_CASE("squared, L1 and Huber loss and their slopes", "[ops][L4][L5][L6]") {
  const auto squared = [](const Tensor& x, const Tensor& t) { return squared_loss(x, t); };
  const auto l1 = [](const Tensor& x, const Tensor& t) { return l1_loss(x, t); };
  const auto huber = [](const Tensor& x, const Tensor& t) { return huber_loss(x, t); };
  CHECK(at(3, squared) == std::pair(4.5, 3.0));
  CHECK(at(-2, squared) == std::pair(2.0, -2.0));
  CHECK(at(3, l1) == std::pair(3.0, 1.0));
  CHECK(at(-3, l1) == std::pair(3.0, -1.0));
  CHECK(std::abs(at(0, l1).second) <= 1);
  CHECK(at(0.5, huber) == std::pair(0.125, 0.5));
  CHECK(at(1, huber) == std::pair(0.5, 1.0));
  CHECK(at(3, huber) == std::pair(2.5, 1.0));
  CHECK(at(-3, huber) == std::pair(2.5, -1.0));
  for (const double sign : {-1.0, 1.0}) {  // value and slope go on without a jump
    const auto [inside, slope_inside] = at(sign * 0.9999, huber);
    const auto [outside, slope_outside] = at(sign * 1.0001, huber);
    CHECK(inside == Approx(outside).margin(3e-4));
    CHECK(slope_inside == Approx(slope_outside).margin(3e-4));
  }
}

TEST_CASE("mean and sum are those of the losses of each element", "[ops][L7]") {
  const Tensor x = tensor({2, 2}, {1, 2, 3, 4}), t = tensor({2, 2}, {0, 4, 3, 1});
  check_near(mse_loss(x, t, Reduction::none), {1, 4, 0, 9}, 0);
  CHECK(mse_loss(x, t).item() == 3.5);
  CHECK(mse_loss(x, t, Reduction::sum).item() == 14);
  CHECK(squared_loss(x, t, Reduction::sum).item() == 7);
}

TEST_CASE("label smoothing", "[ops][L8]") {
  const Tensor logits = tensor({1, 3}, {1, 2, 3});
  CHECK(cross_entropy(logits, labels({2}), {.label_smoothing = 0.1}).item() == Approx(0.50760596).margin(1e-7));
  const Tensor same = tensor({1, 3}, {0.1 / 3, 0.1 / 3, 0.9 + 0.1 / 3});
  CHECK(cross_entropy(logits, same).item() == Approx(0.50760596).margin(1e-7));
}

// The margin of the right class over another after so many steps of gradient descent on one sample.
static double margin_after(int steps, double smoothing) {
  Tensor logits = zeros({1, 3}, {.dtype = DType::f64});
  for (int step = 0; step < steps; ++step) {
    logits.set_requires_grad();
    cross_entropy(logits, labels({2}), {.label_smoothing = smoothing}).backward();
    logits = (logits.detach() - logits.grad()).detach();
  }
  return logits.to_vector()[2] - logits.to_vector()[0];
}

TEST_CASE("smoothed labels have a finite optimum, hard ones do not", "[ops][L8]") {
  CHECK(margin_after(500, 0.1) == Approx(std::log((0.9 + 0.1 / 3) / (0.1 / 3))).margin(1e-6));
  CHECK(margin_after(1000, 0) > margin_after(500, 0) + 0.5);
}

// p(x) ~ exp(-loss): differences of the loss are those of -log p, since the constant drops out.
TEST_CASE("the least loss is the greatest likelihood", "[ops][L9]") {
  const auto loss_of = [](double x, auto loss) { return at(x, loss).first; };
  const auto gauss = [](double x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi); };
  const auto laplace = [](double x) { return std::exp(-std::abs(x)) / 2; };
  const auto squared = [](const Tensor& x, const Tensor& t) { return squared_loss(x, t); };
  const auto l1 = [](const Tensor& x, const Tensor& t) { return l1_loss(x, t); };
  for (const double x : {-2.0, -0.3, 0.7, 3.0}) {
    CHECK(loss_of(x, squared) - loss_of(1, squared) == Approx(-std::log(gauss(x) / gauss(1))).margin(1e-6));
    CHECK(loss_of(x, l1) - loss_of(1, l1) == Approx(-std::log(laplace(x) / laplace(1))).margin(1e-6));
  }
  const Tensor logits = tensor({1, 4}, {0.2, -1, 3, 0.7});
  CHECK(cross_entropy(logits, labels({1})).item() == Approx(-std::log(softmax(logits).to_vector()[1])).margin(1e-6));
}

TEST_CASE("binary cross-entropy neither overflows nor loses its slope at 0", "[ops]") {
  const Tensor x = tensor({4}, {0, 200, -200, 1}).set_requires_grad(), t = tensor({4}, {1, 1, 1, 0});
  const Tensor loss = binary_cross_entropy_with_logits(x, t, Reduction::none);
  check_near(loss, {std::numbers::ln2, 0, 200, 1.31326169}, 1e-6);
  sum(loss).backward();
  check_near(x.grad(), {-0.5, 0, -1, 0.73105858}, 1e-6);
}

TEST_CASE("losses say what does not fit", "[ops]") {
  const Tensor x = zeros({2, 3});
  CHECK_THROWS_WITH(cross_entropy(x, labels({0, 3})), "cross_entropy: class index 3 at position 1 is outside [0, 3)");
  CHECK_THROWS_WITH(cross_entropy(x, labels({-1, 0})), contains("class index -1 at position 0"));
  CHECK_THROWS_WITH(cross_entropy(x, labels({1})), contains("logits (2, 3) need class indices (2,), got (1,)"));
  CHECK_THROWS_WITH(cross_entropy(x, labels({0, 1}), {.label_smoothing = 2}), contains("[0, 1], got 2"));
  CHECK_THROWS_WITH(cross_entropy(x, zeros({2, 3}, {.dtype = DType::f64})), contains("logits are f32 and target f64"));
  CHECK_THROWS_WITH(mse_loss(x, zeros({2})), "mse_loss: x (2, 3) and target (2,) must have one shape; reshape one");
  CHECK_THROWS_WITH(huber_loss(x, x, 0), contains("delta must be positive, got 0"));
  CHECK_THROWS_WITH(softmax(x, 2), contains("softmax"));
}
