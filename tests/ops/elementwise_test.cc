// What the op table does not say of elementwise ops: the lecture's values, kinks, NaN, in-place rules and error texts.
#include "core/ops/elementwise.h"

#include <cmath>
#include <limits>

#include "core/ops/matmul.h"
#include "core/ops/reduce.h"
#include "tests/catch.h"

using namespace weft;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Tensor leaf(const Shape& shape, std::initializer_list<double> values, DType dtype = DType::f64) {
  const Tensor x = tensor(shape, values, {.dtype = dtype});
  x.set_requires_grad();
  return x;
}
std::vector<double> gradient(const Tensor& y, const Tensor& x) {
  x.zero_grad();
  y.backward(ones(y.shape(), {.dtype = y.dtype()}));
  return x.grad().to_vector();
}
using Values = std::vector<double>;

}  // namespace

TEST_CASE("sub-gradients: abs and relu have derivative 0 at 0", "[M2]") {
  const Tensor x = leaf({3}, {-2, 0, 2});
  CHECK(gradient(abs(x), x) == Values{-1, 0, 1});
  CHECK(gradient(relu(x), x) == Values{0, 0, 1});
}

TEST_CASE("inner product, norm and cosine", "[M3]") {
  const Tensor a = tensor({2}, {1, 0}), b = tensor({2}, {0, 1}), c = tensor({2}, {3, 4});
  CHECK(sum(a * b).item() == 0);
  CHECK(norm(c).item() == 5);
  CHECK((sum(a * c) / (norm(a) * norm(c))).item() == Approx(0.6));
}

TEST_CASE("chain rule on vectors: the formula, autograd and the central difference agree", "[M4]") {
  const Tensor x = tensor({3}, {0.5, -1.25, 2}, {.dtype = DType::f64});
  const Tensor w = leaf({3}, {1.5, 0.25, -0.75});
  const auto z = [&](const Tensor& at) { return square(sum(x * at) - 0.3); };
  const Values dw = gradient(z(w), w);
  const double residual = sum(x * w).item() - 0.3;
  for (int i = 0; i < 3; ++i) {
    CHECK(dw[std::size_t(i)] == Approx(2 * residual * x.to_vector()[std::size_t(i)]).epsilon(1e-12));
    Values ahead = w.to_vector(), behind = ahead;
    ahead[std::size_t(i)] += 1e-6;
    behind[std::size_t(i)] -= 1e-6;
    const double slope =
        (z(tensor({3}, ahead, {.dtype = DType::f64})).item() - z(tensor({3}, behind, {.dtype = DType::f64})).item()) /
        2e-6;
    CHECK(dw[std::size_t(i)] == Approx(slope).epsilon(1e-7));
  }
  const Tensor matrix = tensor({2, 3}, {1, 2, 3, -1, 0, 2}, {.dtype = DType::f64});
  const Tensor y = tensor({2, 1}, {0.5, -0.5}, {.dtype = DType::f64}), v = leaf({3, 1}, {1.5, 0.25, -0.75});
  const Values dv = gradient(sum(square(matmul(matrix, v) - y)), v);
  const Tensor formula = 2 * matmul(matrix.transpose(), matmul(matrix, v.detach()) - y);
  for (std::size_t i = 0; i < 3; ++i) CHECK(dv[i] == Approx(formula.to_vector()[i]).epsilon(1e-12));
}

TEST_CASE("activations and their derivatives have the lecture's values", "[N3][N6]") {
  const Tensor one = leaf({1}, {1}), zero = leaf({1}, {0}), eight = leaf({1}, {8});
  CHECK(sigmoid(one).item() == Approx(.73105858).margin(1e-8));
  CHECK(gradient(sigmoid(zero), zero)[0] == .25);
  CHECK(gradient(sigmoid(eight), eight)[0] == Approx(.00033524).margin(1e-8));
  CHECK(pow(full({}, .25, {.dtype = DType::f64}), 10).item() == Approx(9.54e-7).epsilon(1e-3));
  CHECK(pow(full({}, 1.5, {.dtype = DType::f64}), 100).item() == Approx(4.07e17).epsilon(2e-3));
  CHECK(pow(full({}, .8, {.dtype = DType::f64}), 100).item() == Approx(2.04e-10).epsilon(2e-3));
  CHECK(tanh(one).item() == Approx(.76159416).margin(1e-8));
  CHECK(gradient(tanh(zero), zero)[0] == 1);
  CHECK(gradient(tanh(one), one)[0] == Approx(.41997434).margin(1e-8));
  const Tensor x = leaf({2}, {-1, -2});
  CHECK(elu(x).to_vector()[0] == Approx(-.63212056).margin(1e-8));
  CHECK(elu(x).to_vector()[1] == Approx(-.86466472).margin(1e-8));
  CHECK(leaky_relu(x).to_vector()[1] == -.02);
  CHECK(gradient(4 * sigmoid(zero) - 2, zero)[0] == 1);
}

TEST_CASE("ties of maximum and minimum share the gradient, clamp passes it at its bounds") {
  const Tensor a = leaf({3}, {1, 2, 3}), b = leaf({3}, {3, 2, 1});
  sum(maximum(a, b)).backward();
  CHECK(a.grad().to_vector() == Values{0, .5, 1});
  CHECK(b.grad().to_vector() == Values{1, .5, 0});
  CHECK(gradient(minimum(a, b), a) == Values{1, .5, 0});
  CHECK(gradient(maximum(a, 2.0), a) == Values{0, .5, 1});
  CHECK(gradient(clamp(a, 1, 2), a) == Values{1, 1, 0});
}

TEST_CASE("NaN passes through relu, clamp, maximum and minimum") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = full({20}, kNaN, {.dtype = dtype}), one = ones({20}, {.dtype = dtype});
    for (const Tensor& y : {relu(x), clamp(x, -1, 1), maximum(x, one), maximum(one, x), minimum(x, one),
                            minimum(one, x), maximum(x, 1.0), minimum(x, 1.0), leaky_relu(x), elu(x), sigmoid(x)})
      CHECK(std::isnan(y.to_vector()[3]));
    CHECK(equal(x, x).to_vector()[0] == 0);
    CHECK(not_equal(x, x).to_vector()[0] == 1);
  }
}

TEST_CASE("powers of zero have finite gradients") {
  const Tensor a = leaf({2}, {0, 2}), b = leaf({2}, {3, 0});
  sum(pow(a, b)).backward();
  CHECK(a.grad().to_vector() == Values{0, 0});
  CHECK(b.grad().to_vector()[0] == 0);
  CHECK(b.grad().to_vector()[1] == Approx(std::log(2.0)));
  CHECK(gradient(pow(a, 2), a) == Values{0, 4});
}

TEST_CASE("a broadcast operand gets the sum of its gradients") {
  const Tensor x = leaf({2, 3}, {1, 2, 3, 4, 5, 6}), b = leaf({3}, {10, 20, 30}), c = leaf({}, {2});
  sum((x + b) * c).backward();
  CHECK(b.grad().to_vector() == Values{4, 4, 4});
  CHECK(c.grad().item() == 21 + 120);
  CHECK(x.grad().to_vector() == Values(6, 2));
}

TEST_CASE("in-place ops keep the graph right") {
  const Tensor x = leaf({3}, {-1, 2, 3});
  const Tensor y = x * 2;
  add_(y, ones({3}, {.dtype = DType::f64}), 1.5);
  mul_(y, 5.0);
  relu_(y);  // last: it keeps its result for backward
  CHECK(y.to_vector() == Values{0, 27.5, 37.5});
  CHECK(gradient(y, x) == Values{0, 10, 10});
}

TEST_CASE("in-place ops refuse what would make gradients wrong") {
  const Tensor x = leaf({3}, {-1, 2, 3});
  CHECK_THROWS_WITH(relu_(x), contains("would overwrite a leaf"));
  const Tensor y = exp(x);
  add_(y, ones({3}, {.dtype = DType::f64}));
  CHECK_THROWS_WITH(y.backward(ones({3}, {.dtype = DType::f64})), contains("'exp'") && contains("'add_'"));
  const Tensor z = x * 1;
  CHECK_THROWS_WITH(mul_(z, x), contains("use mul"));
}

TEST_CASE("errors name the op, both operands and the remedy") {
  const Tensor a = ones({2, 3}), b = ones({4, 3}), c = ones({2, 3}, {.dtype = DType::f64});
  CHECK_THROWS_WITH(add(a, b), "add: shapes (2, 3) and (4, 3) do not broadcast");
  CHECK_THROWS_WITH(mul(a, c), contains("mul: operands have different dtypes, f32 and f64") && contains(".to(DType)"));
  CHECK_THROWS_WITH(exp(ones({2}, {.dtype = DType::i64})), contains("exp: needs f32, f64, f16 or bf16, got i64"));
  CHECK_THROWS_WITH(add(ones({2}, {.dtype = DType::i64}), 0.5), contains("cannot hold 0.5"));
  CHECK_THROWS_WITH(div(ones({2}, {.dtype = DType::i32}), ones({2}, {.dtype = DType::i32})),
                    contains("div: needs f32"));
  CHECK_THROWS_WITH(where(a, a, a), contains("where: condition must be boolean, got f32"));
  CHECK_THROWS_WITH(clamp(a, 2, 1), contains("clamp: low 2 is above high 1"));
  CHECK_THROWS_WITH(add_(ones({3}), ones({2, 3})), contains("does not fit into y (3,)"));
  CHECK_THROWS_WITH(neg(Tensor{}), contains("neg: an operand is undefined"));
}

TEST_CASE("results keep channels-last, whichever operand has it") {
  const Tensor x = ones({2, 3, 4, 5}).to(MemoryFormat::channels_last), bias = ones({3, 1, 1}), y = ones({2, 3, 4, 5});
  CHECK(add(x, bias).channels_last());
  CHECK(add(bias, x).channels_last());
  CHECK(mul(y, x).channels_last());
  CHECK(relu(x).channels_last());
  CHECK(equal(x, x).channels_last());
  CHECK(add(y, y).contiguous_format());
}

TEST_CASE("the gradient of an op keeps to the f32 range that its value has") {
  const Tensor x = leaf({4}, {-200, -50, 50, 200}, DType::f32);
  CHECK(sigmoid(x).to_vector()[0] == 0);
  CHECK(sigmoid(x).to_vector()[3] == 1);
  for (const double dx : gradient(sigmoid(x), x)) CHECK(std::isfinite(dx));
  for (const double dx : gradient(tanh(x), x)) CHECK(std::isfinite(dx));
  for (const double dx : gradient(elu(x), x)) CHECK(std::isfinite(dx));
}
