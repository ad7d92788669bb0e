// Rows of the lecture notes that small nets show: regression, perceptrons, initial values, depth without activation.
#include <algorithm>
#include <cmath>

#include "core/autograd.h"
#include "core/generator.h"
#include "core/ops/copy.h"
#include "core/ops/elementwise.h"
#include "core/ops/loss.h"
#include "core/ops/matmul.h"
#include "core/ops/random.h"
#include "core/ops/reduce.h"
#include "models/mlp.h"
#include "models/registry.h"
#include "nn/nn.h"
#include "optim/optim.h"
#include "tests/catch.h"

using namespace weft;

namespace {

constexpr TensorOptions kF64{.dtype = DType::f64};

Tensor random_normal(const Shape& shape, std::uint64_t stream, double std = 1, TensorOptions options = {}) {
  const Tensor x = empty(shape, options);
  normal_(x, 0, std, {2026, stream});
  return x;
}
std::vector<double> of(const Tensor& x) { return x.detach().to_vector(); }
double l2_norm(const Tensor& x) {
  double sum = 0;
  for (const double v : of(x)) sum += v * v;
  return std::sqrt(sum);
}

// Plain minibatch training on rows of x and y, in order.
template <typename Loss>
void train_epoch(nn::Module& net, optim::Optimizer& optimizer, const Tensor& x, const Tensor& y, std::int64_t batch,
                 Loss loss) {
  for (std::int64_t begin = 0; begin < x.size(0); begin += batch) {
    optimizer.zero_grad();
    const std::int64_t end = std::min(begin + batch, x.size(0));
    loss(net(x.slice(0, begin, end)), y.slice(0, begin, end)).backward();
    optimizer.step();
  }
}
Tensor half_squares(const Tensor& prediction, const Tensor& y) { return squared_loss(prediction, y); }

}  // namespace

TEST_CASE("linear regression finds the weights of synthetic data, from the book's and from zero init", "[L0][N10]") {
  const Tensor x = random_normal({1000, 2}, 1);
  const Tensor w = tensor({1, 2}, {2, -3.4});
  const Tensor y = linear(x, w) + 4.2 + random_normal({1000, 1}, 2, 0.01);
  for (const char* init : {"book-ch3", "zeros"}) {
    INFO(init);
    const auto net = models::make_model("linear_regression", {.init = init});
    optim::SGD sgd(net->parameters(), {.lr = 0.03});
    std::vector<double> losses;
    for (int epoch = 0; epoch < 3; ++epoch) {
      train_epoch(*net, sgd, x, y, 10, half_squares);
      losses.push_back(half_squares((*net)(x), y).item());
    }
    CHECK(losses[0] < 0.1);  // published: .042790, .000162, .000051
    CHECK(losses[2] <= 1e-4);
    CHECK(of(net->parameters()[0])[0] == Approx(2).margin(2e-3));
    CHECK(of(net->parameters()[0])[1] == Approx(-3.4).margin(2e-3));
    CHECK(of(net->parameters()[1])[0] == Approx(4.2).margin(2e-3));
  }
}

TEST_CASE("logistic regression from zero separates separable data", "[L0b][N10]") {
  std::vector<double> points, labels;
  const std::vector<double> draws = of(random_normal({400, 2}, 3));
  for (std::size_t i = 0; labels.size() < 200; ++i) {
    const double a = draws[2 * i], b = draws[2 * i + 1], score = a + 2 * b - 0.3;
    if (std::abs(score) < 0.2) continue;
    points.insert(points.end(), {a, b});
    labels.push_back(score > 0);
  }
  const Tensor x = tensor({200, 2}, points), y = tensor({200, 1}, labels);
  nn::Linear net({.in = 2, .out = 1});
  nn::init::initialize(net, "zeros");
  optim::SGD sgd(net.parameters(), {.lr = 5});
  for (int step = 0; step < 500; ++step)
    train_epoch(net, sgd, x, y, 200,
                [](const Tensor& z, const Tensor& t) { return binary_cross_entropy_with_logits(z, t); });
  const std::vector<double> logits = of(net(x));
  for (std::size_t i = 0; i < 200; ++i) CHECK((logits[i] > 0) == (labels[i] == 1));
}

TEST_CASE("weight decay rescues an over-parameterised regression", "[W1]") {
  const Tensor w_true = full({1, 200}, 0.01);
  const auto sample = [&](std::int64_t n, std::uint64_t stream) {
    const Tensor x = random_normal({n, 200}, stream);
    return std::pair(x, linear(x, w_true) + 0.05 + random_normal({n, 1}, stream + 1, 0.01));
  };
  const auto [x, y] = sample(20, 10);
  const auto [x_test, y_test] = sample(100, 20);
  const auto train = [&](double decay) {
    nn::Linear net({.in = 200, .out = 1});
    nn::init::normal(net.weight(), 0, 1, {7, 7});
    nn::init::zeros(net.bias());
    optim::SGD sgd(optim::decay_only_weights(net.parameters()), {.lr = 0.003, .weight_decay = decay});
    for (int epoch = 0; epoch < 100; ++epoch) train_epoch(net, sgd, x, y, 5, half_squares);
    struct Result {
      double norm, train, test;
    };
    return Result{l2_norm(net.weight()), half_squares(net(x), y).item(), half_squares(net(x_test), y_test).item()};
  };
  const auto free = train(0), decayed = train(3);
  CHECK(free.norm > 10);  // published 12.963, test 98
  CHECK(free.train < 1e-3);
  CHECK(free.test > 50);
  CHECK(decayed.norm < 0.5);  // published .3557, test .08
  CHECK(decayed.test < 1);
}

TEST_CASE("a cubic is fitted by four features, not by two, and over-fitted by twenty", "[W3]") {
  const std::vector<double> x = of(random_normal({200}, 25, 1, kF64)), noise = of(random_normal({200}, 26, 0.1, kF64));
  const std::vector<double> truth{5, 1.2, -3.4, 5.6};  // coefficients of x^i / i!
  std::vector<double> features, labels;
  for (std::size_t n = 0; n < 200; ++n) {
    double power = 1, label = noise[n];
    for (std::size_t i = 0; i < 20; ++i) {
      features.push_back(power);
      if (i < 4) label += truth[i] * power;
      power *= x[n] / static_cast<double>(i + 1);
    }
    labels.push_back(label);
  }
  const Tensor all = tensor({200, 20}, features), y = tensor({200, 1}, labels);
  struct Fit {
    std::vector<double> weights;
    double train, test;
  };
  const auto fit = [&](std::int64_t degree, int epochs) {
    const Tensor f = all.slice(1, 0, degree).clone();
    nn::Linear net({.in = degree, .out = 1, .bias = false});
    nn::init::zeros(net.weight());
    optim::SGD sgd(net.parameters(), {.lr = 0.01});
    const auto loss = [](const Tensor& z, const Tensor& t) { return mse_loss(z, t); };
    for (int epoch = 0; epoch < epochs; ++epoch)
      train_epoch(net, sgd, f.slice(0, 0, 100), y.slice(0, 0, 100), 10, loss);
    const auto error = [&](std::int64_t begin) {
      return mse_loss(net(f.slice(0, begin, begin + 100)), y.slice(0, begin, begin + 100)).item();
    };
    return Fit{of(net.weight()), error(0), error(100)};
  };
  const Fit good = fit(4, 1500), poor = fit(2, 400), wide = fit(20, 1500);
  for (std::size_t i = 0; i < 4; ++i) CHECK(good.weights[i] == Approx(truth[i]).margin(0.15));
  CHECK(good.test < 0.02);
  CHECK(poor.train > 2);
  CHECK(poor.test > 2);
  CHECK(wide.test > wide.train);  // published .0178 against .0121
}

namespace {

// 50 points with margin 0.3 around the line x1 + x2 = 0.1, norms below 3; rows (x1, x2, 1).
struct Points {
  std::vector<std::vector<double>> x;
  std::vector<double> y;
};
Points separable_points() {
  Points points;
  const std::vector<double> draws = of(random_normal({400, 2}, 30));
  for (std::size_t i = 0; points.x.size() < 50; ++i) {
    const double a = draws[2 * i], b = draws[2 * i + 1];
    const double distance = (a + b - 0.1) / std::sqrt(2.0);
    if (std::abs(distance) < 0.3 || std::hypot(a, b) > 3) continue;
    points.x.push_back({a, b, 1});
    points.y.push_back(distance > 0 ? 1 : -1);
  }
  return points;
}

// Rosenblatt's rule, by hand. Returns the number of updates, or -1 when an epoch without error never came.
int perceptron(const Points& points, std::vector<double>& w, int epochs) {
  int updates = 0;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const int before = updates;
    for (std::size_t i = 0; i < points.x.size(); ++i) {
      double score = 0;
      for (std::size_t j = 0; j < w.size(); ++j) score += w[j] * points.x[i][j];
      if (points.y[i] * score > 0) continue;
      for (std::size_t j = 0; j < w.size(); ++j) w[j] += points.y[i] * points.x[i][j];
      ++updates;
    }
    if (updates == before) return updates;
  }
  return -1;
}

}  // namespace

TEST_CASE("the perceptron is SGD on max(0, -y <w, x>) with batch 1, and converges", "[P1]") {
  const Points points = separable_points();
  std::vector<double> by_hand(3);
  const int updates = perceptron(points, by_hand, 1000);
  REQUIRE(updates > 0);
  double r2 = 0;
  for (const auto& p : points.x) r2 = std::max(r2, p[0] * p[0] + p[1] * p[1]);
  CHECK(updates <= (r2 + 1) / (0.3 * 0.3));

  // At w = 0 the subgradient is a matter of choice; the rule takes the first point, so SGD starts after it.
  const Tensor w = tensor({3}, {points.y[0] * points.x[0][0], points.y[0] * points.x[0][1], points.y[0]}, kF64);
  w.set_requires_grad();
  optim::SGD sgd({w}, {.lr = 1});
  for (int epoch = 0; epoch < 1000; ++epoch) {
    bool wrong = false;
    for (std::size_t i = 0; i < points.x.size(); ++i) {
      sgd.zero_grad();
      const Tensor loss = relu(sum(w * tensor({3}, points.x[i], kF64)) * -points.y[i]);
      wrong |= loss.item() > 0;
      loss.backward();
      sgd.step();
    }
    if (!wrong) break;
  }
  for (std::size_t j = 0; j < 3; ++j) CHECK(of(w)[j] == Approx(by_hand[j]).margin(1e-12));
}

TEST_CASE("the perceptron never learns XOR", "[P1]") {
  const Points points{{{0, 0, 1}, {0, 1, 1}, {1, 0, 1}, {1, 1, 1}}, {-1, 1, 1, -1}};
  std::vector<double> w(3);
  CHECK(perceptron(points, w, 1000) == -1);
  int right = 0;
  for (std::size_t i = 0; i < 4; ++i) right += points.y[i] * (w[0] * points.x[i][0] + w[1] * points.x[i][1] + w[2]) > 0;
  CHECK(right <= 3);
}

TEST_CASE("XOR by an MLP with given weights, exactly", "[P2]") {
  nn::Sequential net = models::mlp({.inputs = 2, .outputs = 1, .hidden = {2}});
  net.load({{"fc1.weight", ones({2, 2})},
            {"fc1.bias", tensor({2}, {0, -1})},
            {"fc2.weight", tensor({1, 2}, {1, -2})},
            {"fc2.bias", zeros({1})}});
  CHECK(of(net(tensor({4, 2}, {0, 0, 0, 1, 1, 0, 1, 1}))) == std::vector<double>{0, 1, 1, 0});
}

TEST_CASE("a 2-8-1 MLP learns XOR from nearly any seed", "[P2]") {
  const Tensor x = tensor({4, 2}, {0, 0, 0, 1, 1, 0, 1, 1});
  const Tensor y = tensor({4, 1}, {0, 1, 1, 0});
  int solved = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    manual_seed(seed);
    nn::Sequential net = models::mlp({.inputs = 2, .outputs = 1, .hidden = {8}, .activation = "tanh"});
    optim::Adam adam(net.parameters(), {.lr = 0.05});
    for (int step = 0; step < 300; ++step)
      train_epoch(net, adam, x, y, 4,
                  [](const Tensor& z, const Tensor& t) { return binary_cross_entropy_with_logits(z, t); });
    const std::vector<double> z = of(net(x));
    solved += z[0] < 0 && z[1] > 0 && z[2] > 0 && z[3] < 0;
  }
  manual_seed(0);
  CHECK(solved >= 9);
}

TEST_CASE("a deep MLP with shrinking layers trains", "[P4]") {
  manual_seed(1);
  const auto net = models::make_model("mlp", {.hidden = {512, 256, 128}, .init = "kaiming-normal"});
  const Tensor x = random_normal({64, 1, 28, 28}, 40);
  std::vector<double> labels;
  for (int i = 0; i < 64; ++i) labels.push_back(i % 10);
  const Tensor y = tensor({64}, labels, {.dtype = DType::i64});
  optim::SGD sgd(net->parameters(), {.lr = 0.1});
  const auto loss = [](const Tensor& z, const Tensor& t) { return cross_entropy(z, t, {}); };
  const double before = loss((*net)(x), y).item();
  for (int step = 0; step < 20; ++step) train_epoch(*net, sgd, x, y, 64, loss);
  CHECK(loss((*net)(x), y).item() < before / 5);
}

TEST_CASE("without activations a deep net is one linear map", "[P5]") {
  manual_seed(9);
  nn::Sequential net = models::mlp({.inputs = 20, .outputs = 5, .hidden = {16, 12}, .activation = "none"});
  const NoGrad no_grad;
  const Tensors p = net.parameters();
  const Tensor weight = matmul(p[4], matmul(p[2], p[0]));
  const Tensor bias = linear(linear(p[1].reshape({1, 16}), p[2], p[3]), p[4], p[5]).reshape({5});
  const Tensor x = random_normal({30, 20}, 50);
  const std::vector<double> deep = of(net(x)), flat = of(linear(x, weight, bias));
  for (std::size_t i = 0; i < deep.size(); ++i) CHECK(deep[i] == Approx(flat[i]).margin(1e-6));
}

TEST_CASE("a product of 100 random 4 x 4 matrices explodes", "[N1]") {
  Tensor product = random_normal({4, 4}, 60, 1, kF64);
  for (std::uint64_t i = 1; i < 100; ++i) product = matmul(product, random_normal({4, 4}, 60 + i, 1, kF64));
  const double largest = max(abs(product)).item();
  CHECK(largest > 1e18);
  CHECK(largest < 1e30);
}

namespace {

enum class Weights { scaled, xavier, kaiming };

// Mean absolute entry of the Jacobian of a 50-layer net of width 100: all 100 rows in one backward pass, each row of
// the batch carrying one of them.
double jacobian_magnitude(const std::string& activation, Weights weights, double scale, std::uint64_t seed) {
  manual_seed(seed);
  constexpr std::int64_t kWidth = 100;
  const Tensor h0 = random_normal({1, kWidth}, 1000 + seed);
  const Tensor x = h0.expand({kWidth, kWidth}).clone();
  x.set_requires_grad();
  Tensor h = x;
  for (int layer = 0; layer < 50; ++layer) {
    const Tensor w = empty({kWidth, kWidth});
    if (weights == Weights::scaled) nn::init::normal(w, 0, scale);
    if (weights == Weights::xavier) nn::init::xavier_normal(w);
    if (weights == Weights::kaiming) nn::init::kaiming_normal(w);
    h = linear(h, w);
    h = activation == "scaled sigmoid" ? sigmoid(h) * 4 - 2 : (*nn::activation(activation))(h);
  }
  const Tensor identity = zeros({kWidth, kWidth});
  for (std::int64_t i = 0; i < kWidth; ++i) fill_(identity.select(0, i).select(0, i), 1);
  h.backward(identity);
  return mean(abs(x.grad())).item();
}

double typical_magnitude(const std::string& activation, Weights weights, double scale = 0) {
  std::vector<double> runs;
  for (std::uint64_t seed = 0; seed < 3; ++seed) runs.push_back(jacobian_magnitude(activation, weights, scale, seed));
  std::sort(runs.begin(), runs.end());
  return runs[1];
}

}  // namespace

TEST_CASE("gradients through 50 layers have the published orders of magnitude", "[N2]") {
  const auto decades = [](double measured, double published) { return std::abs(std::log10(measured / published)); };
  CHECK(decades(typical_magnitude("relu", Weights::scaled, 0.1), 1.5e-9) < 1.5);
  CHECK(decades(typical_magnitude("relu", Weights::scaled, 0.2), 9e5) < 1.5);
  CHECK(decades(typical_magnitude("relu", Weights::scaled, 0.4), 1.5e21) < 1.5);
  CHECK_FALSE(std::isfinite(typical_magnitude("relu", Weights::scaled, 0.8)));
  CHECK(decades(typical_magnitude("sigmoid", Weights::scaled, 0.2), 3.4e-21) < 1.5);
  CHECK(decades(typical_magnitude("sigmoid", Weights::scaled, 0.8), 5.7e-5) < 1.5);
  CHECK(decades(typical_magnitude("scaled sigmoid", Weights::scaled, 0.1), 0.014) < 1.5);
  CHECK(decades(typical_magnitude("scaled sigmoid", Weights::scaled, 0.4), 5.4e7) < 2);
  CHECK(decades(typical_magnitude("relu", Weights::xavier), 1.2e-9) < 1.5);
  CHECK(decades(typical_magnitude("tanh", Weights::xavier), 8e-3) < 1.5);
  CHECK(decades(typical_magnitude("scaled sigmoid", Weights::xavier), 1.4e-2) < 1.5);
  const double kaiming = typical_magnitude("relu", Weights::kaiming);
  CHECK(kaiming > 1e-3);
  CHECK(kaiming < 1);
  manual_seed(0);
}

TEST_CASE("constant init keeps hidden units equal", "[N10]") {
  const Tensor x = random_normal({16, 3}, 70), y = random_normal({16, 1}, 71);
  for (const char* init : {"constant:0.5", "zeros"})
    for (const char* activation : {"relu", "tanh", "sigmoid"}) {
      INFO(init << " " << activation);
      nn::Sequential net = models::mlp({.inputs = 3, .outputs = 1, .hidden = {2}, .activation = activation});
      nn::init::initialize(net, init);
      optim::SGD sgd(net.parameters(), {.lr = 0.1});
      for (int step = 0; step < 10; ++step) train_epoch(net, sgd, x, y, 16, half_squares);
      const std::vector<double> w = of(net.parameters()[0]);
      for (std::size_t j = 0; j < 3; ++j) CHECK(w[j] == w[3 + j]);
      const bool stuck = std::string(init) == "zeros" && std::string(activation) != "sigmoid";
      CHECK((w == std::vector<double>(6, 0.0)) == stuck);
    }
}

TEST_CASE("activations kept for backward grow with depth and batch", "[M8]") {
  const auto peak = [](int depth, std::int64_t batch) {
    nn::Sequential net = models::mlp(
        {.inputs = 64, .outputs = 64, .hidden = std::vector<std::int64_t>(static_cast<std::size_t>(depth), 64)});
    const Tensor x = ones({batch, 64});
    Allocator& allocator = runtime(DeviceKind::cpu).allocator(0);
    const std::size_t before = allocator.statistics().live_bytes;
    allocator.reset_peak();
    const Tensor y = net(x);
    return static_cast<double>(allocator.statistics().peak_bytes - before);
  };
  const double base = peak(8, 256);
  CHECK(peak(16, 256) / base == Approx(2).margin(0.3));
  CHECK(peak(8, 512) / base == Approx(2).margin(0.3));
}

TEST_CASE("perplexity is the exponential of the mean cross-entropy", "[R4]") {
  const Tensor target = tensor({3}, {0, 5, 27}, {.dtype = DType::i64});
  const auto perplexity = [&](const Tensor& logits) { return exp(cross_entropy(logits, target)).item(); };
  CHECK(perplexity(zeros({3, 28}, kF64)) == Approx(28).epsilon(1e-12));
  CHECK(cross_entropy(zeros({3, 28}, kF64), target).item() == Approx(3.3322).epsilon(1e-4));
  const Tensor sure = full({3, 28}, -1e4, kF64);
  const std::vector<double> classes = of(target);
  for (std::int64_t i = 0; i < 3; ++i)
    fill_(sure.select(0, i).select(0, static_cast<std::int64_t>(classes[static_cast<std::size_t>(i)])), 1e4);
  CHECK(perplexity(sure) == 1);
  fill_(sure.select(0, 1).select(0, 5), -INFINITY);  // probability 0 for what came
  CHECK(std::isinf(perplexity(sure)));
}

TEST_CASE("sigmoids make gradients vanish", "[N3]") {
  const auto slope = [](double at, int times) {
    const Tensor x = tensor({1}, {at}, kF64);
    x.set_requires_grad();
    Tensor y = x;
    for (int i = 0; i < times; ++i)
      y = sigmoid(i == 0 ? y : y - sigmoid(zeros({1}, kF64)));  // back to the steepest point
    y.backward(ones({1}, kF64));
    return x.grad().to_vector()[0];
  };
  CHECK(slope(0, 1) == Approx(0.25).epsilon(1e-12));
  CHECK(slope(8, 1) == Approx(0.00033524).epsilon(1e-4));
  CHECK(slope(0, 10) == Approx(9.54e-7).epsilon(1e-3));  // .25^10: the best case of ten layers
  CHECK(pow(full({}, 1.5, kF64), 100).item() == Approx(4.07e17).epsilon(2e-3));
  CHECK(pow(full({}, 0.8, kF64), 100).item() == Approx(2.04e-10).epsilon(2e-3));
}
