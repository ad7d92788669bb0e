// Optimizers against PyTorch (tests/golden/optimizers.py), closed forms, and what they must refuse.
#include "optim/optim.h"

#include <cmath>

#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "core/ops/reduce.h"
#include "core/runtime/runtime.h"
#include "nn/linear.h"
#include "tests/catch.h"

using namespace weft;
using namespace weft::optim;

namespace {

const TensorOptions kF64{.dtype = DType::f64};

Tensor leaf(std::initializer_list<double> values, TensorOptions options = kF64) {
  const Tensor x = tensor({static_cast<std::int64_t>(values.size())}, values, options);
  x.set_requires_grad();
  return x;
}
std::vector<double> values(const Tensor& x) { return x.detach().to_vector(); }

void check_near(const std::vector<double>& got, const std::vector<double>& expected, double tolerance = 1e-10) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    INFO("element " << i);
    CHECK(got[i] == Approx(expected[i]).epsilon(tolerance).margin(tolerance));
  }
}

using Make = std::unique_ptr<Optimizer> (*)(const Tensors&);
template <typename O>
std::unique_ptr<Optimizer> make(const Tensors& p, auto options) {
  return std::make_unique<O>(p, options);
}

// The loss of tests/golden/optimizers.py.
void golden_steps(Optimizer& optimizer, const Tensor& w, int steps) {
  const Tensor a = tensor({4}, {0.5, 1, 1.5, 2}, {.dtype = w.dtype()});
  for (int i = 0; i < steps; ++i) {
    optimizer.zero_grad();
    sum(a * w * w / 2 - w * 0.3).backward();
    optimizer.step();
  }
}

}  // namespace

TEST_CASE("optimizers take PyTorch's steps", "[optim][O8]") {
  struct Golden {
    const char* name;
    Make make;
    std::vector<double> expected;
  };
  const Golden goldens[] = {
      {"sgd",
       [](const Tensors& p) { return make<SGD>(p, SGDOptions{.lr = 0.1}); },
       {0.342717838281, 0.4062882, 0.407432233594, 0.3728224}},
      {"decay",
       [](const Tensors& p) { return make<SGD>(p, SGDOptions{.lr = 0.1, .weight_decay = 0.2}); },
       {0.313037467241, 0.366101021696, 0.363980508256, 0.330854200608}},
      {"momentum",
       [](const Tensors& p) { return make<SGD>(p, SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.2}); },
       {0.425056564054, 0.149914592096, -0.189290178382, -0.495452136192}},
      {"nesterov",
       [](const Tensors& p) {
         return make<SGD>(p, SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.2, .nesterov = true});
       },
       {0.436383247144, 0.164832652864, -0.0626146046721, -0.182140254694}},
      {"adam",
       [](const Tensors& p) { return make<Adam>(p, AdamOptions{.lr = 0.1}); },
       {0.736892349221, 0.197781823939, 0.193066131979, 0.4187629023}},
      {"adam with decay",
       [](const Tensors& p) {
         return make<Adam>(p, AdamOptions{.lr = 0.1, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6, .weight_decay = 0.2});
       },
       {0.475447126794, 0.146426784014, 0.201281742935, 0.425002703247}},
      {"adamw",
       [](const Tensors& p) { return make<AdamW>(p, AdamOptions{.lr = 0.1, .weight_decay = 0.2}); },
       {0.69906505765, 0.197478582239, 0.147509343215, 0.339464319484}},
  };
  for (const Golden& golden : goldens) {
    INFO(golden.name);
    for (const DType dtype : {DType::f64, DType::f32}) {
      const Tensor w = leaf({0.25, 0.5, 0.75, 1}, {.dtype = dtype});
      const auto optimizer = golden.make({w});
      golden_steps(*optimizer, w, 6);
      check_near(values(w), golden.expected, dtype == DType::f64 ? 1e-10 : 3e-6);
      CHECK(optimizer->steps() == 6);
    }
  }
}

TEST_CASE("gradient descent on x^2 and on a bowl", "[optim][O2]") {
  const auto descend = [](double lr, int steps) {
    const Tensor x = leaf({10});
    SGD sgd({x}, {.lr = lr});
    for (int i = 0; i < steps; ++i) {
      sgd.zero_grad();
      square(x).backward(ones({1}, kF64));
      sgd.step();
    }
    return values(x)[0];
  };
  CHECK(descend(0.2, 10) == Approx(0.060466).epsilon(1e-4));
  CHECK(descend(0.05, 10) == Approx(3.486784).epsilon(1e-6));
  CHECK(descend(1.1, 10) == Approx(61.917364).epsilon(1e-6));

  const Tensor x = leaf({-5, -2});
  const Tensor scale = tensor({2}, {1, 2}, kF64);
  SGD sgd({x}, {.lr = 0.1});
  for (int i = 0; i < 20; ++i) {
    sgd.zero_grad();
    sum(scale * square(x)).backward();
    sgd.step();
  }
  check_near(values(x), {-0.057646, -0.000073}, 1e-6);
}

TEST_CASE("gradient descent ends in a local minimum of x cos(0.15 pi x)", "[optim][O2]") {
  const Tensor x = leaf({10});
  SGD sgd({x}, {.lr = 2});
  const double c = 0.15 * 3.14159265358979323846;
  for (int i = 0; i < 10; ++i) {
    sgd.zero_grad();
    const double at = values(x)[0];
    // An op of the test's own: weft has no cosine.
    const Tensor y =
        differentiable("cosine", {x}, tensor({1}, {std::cos(c * at)}, kF64),
                       [c, at](const Tensor& dy, Needs) -> Tensors { return {dy * (-c * std::sin(c * at))}; });
    (x * y).backward(ones({1}, kF64));
    sgd.step();
  }
  CHECK(values(x)[0] == Approx(-1.528166).epsilon(1e-6));
}

TEST_CASE("momentum tames an ill-conditioned bowl", "[optim][O5]") {
  const auto descend = [](double lr, double momentum) {
    const Tensor x = leaf({-5, -2});
    const Tensor scale = tensor({2}, {0.1, 2}, kF64);
    SGD sgd({x}, {.lr = lr, .momentum = momentum});
    for (int i = 0; i < 20; ++i) {
      sgd.zero_grad();
      sum(scale * square(x)).backward();
      sgd.step();
    }
    return values(x);
  };
  check_near(descend(0.4, 0), {-0.943467, -0.000073}, 1e-6);
  check_near(descend(0.6, 0), {-0.387814, -1673.365109}, 1e-6);
  check_near(descend(0.6, 0.5), {0.007188, 0.002553}, 1e-6);
  check_near(descend(0.6, 0.25), {-0.126340, -0.186632}, 1e-6);
}

TEST_CASE("Adam's first steps on x^2", "[optim][O6]") {
  const Tensor x = leaf({10});
  Adam adam({x}, {.lr = 0.1});
  for (int i = 1; i <= 10; ++i) {
    adam.zero_grad();
    square(x).backward(ones({1}, kF64));
    adam.step();
    if (i == 1) CHECK(values(x)[0] == Approx(9.9).epsilon(1e-8));
  }
  CHECK(values(x)[0] == Approx(9.003497).epsilon(1e-7));
}

TEST_CASE("a step of SGD with weight decay is (1 - lr decay) w - lr g", "[optim][W1]") {
  const Tensor w = leaf({0.5, -1.25, 3}), b = leaf({2});
  SGD sgd({{.parameters = {w}}, {.parameters = {b}, .weight_decay = 0}}, {.lr = 0.03, .weight_decay = 3});
  const Tensor slope = tensor({3}, {1, -2, 0.25}, kF64);
  (sum(slope * w) + sum(b) * 5).backward();
  sgd.step();
  const std::vector<double> start{0.5, -1.25, 3}, g{1, -2, 0.25};
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(values(w)[i] == Approx((1 - 0.03 * 3) * start[i] - 0.03 * g[i]).epsilon(1e-14));
  CHECK(values(b)[0] == Approx(2 - 0.03 * 5).epsilon(1e-14));  // its group says no decay
}

TEST_CASE("groups have learning rates of their own, and a schedule scales all", "[optim][O8]") {
  const Tensor a = leaf({1}), b = leaf({1});
  SGD sgd({{.parameters = {a}}, {.parameters = {b}, .lr = 0.5}}, {.lr = 0.1});
  const auto go = [&] {
    sgd.zero_grad();
    (sum(a) + sum(b)).backward();
    sgd.step();
  };
  go();
  CHECK(values(a)[0] == Approx(0.9));
  CHECK(values(b)[0] == Approx(0.5));
  sgd.scale_lr(0.5);
  CHECK(sgd.lr(0) == Approx(0.05));
  CHECK(sgd.lr(1) == Approx(0.25));
  go();
  CHECK(values(a)[0] == Approx(0.85));
  CHECK(values(b)[0] == Approx(0.25));
  sgd.set_lr(1, 1);
  go();
  CHECK(values(b)[0] == Approx(-0.75));
  sgd.scale_lr(1);
  CHECK(sgd.lr(1) == Approx(0.5));
}

TEST_CASE("weights decay and biases do not in decay_only_weights", "[optim][W1]") {
  nn::Linear layer({.in = 2, .out = 1});
  const auto groups = decay_only_weights(layer.parameters());
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].parameters[0].same_as(layer.weight()));
  CHECK_FALSE(groups[0].weight_decay.has_value());
  CHECK(groups[1].parameters[0].same_as(layer.bias()));
  CHECK(groups[1].weight_decay == 0.0);
}

TEST_CASE("gradients accumulate until zero_grad", "[optim][M5]") {
  const Tensor x = leaf({1});
  SGD sgd({x}, {.lr = 0.1});
  square(x).backward(ones({1}, kF64));
  square(x).backward(ones({1}, kF64));
  CHECK(x.grad().to_vector()[0] == Approx(4));
  sgd.zero_grad();
  square(x).backward(ones({1}, kF64));
  CHECK(x.grad().to_vector()[0] == Approx(2));
}

TEST_CASE("a parameter without a gradient is not moved by an old one", "[optim]") {
  const Tensor a = leaf({1}), b = leaf({1});
  SGD sgd({a, b}, {.lr = 0.1});
  (sum(a) + sum(b)).backward();
  sgd.step();
  sgd.zero_grad();
  sum(a).backward();
  sgd.step();
  CHECK(values(a)[0] == Approx(0.8));
  CHECK(values(b)[0] == Approx(0.9));
}

TEST_CASE("clipping by norm keeps the direction", "[optim][R5]") {
  const Tensor a = leaf({0, 0}), b = leaf({0});
  SGD sgd({a, b}, {.lr = 1});
  const auto gradients = [&](double scale) {
    sgd.zero_grad();
    (sum(tensor({2}, {2, -3}, kF64) * a) * scale + sum(b) * (6 * scale)).backward();  // norm 7
  };
  gradients(1);
  CHECK(sgd.clip_gradient_norm(1).item() == Approx(7));
  check_near(a.grad().to_vector(), {2 / 7.0, -3 / 7.0}, 1e-6);
  check_near(b.grad().to_vector(), {6 / 7.0}, 1e-6);
  gradients(0.1);
  CHECK(sgd.clip_gradient_norm(1).item() == Approx(0.7));
  check_near(a.grad().to_vector(), {0.2, -0.3}, 1e-12);
  CHECK_THROWS_WITH(sgd.clip_gradient_norm(0), contains("norm must be positive"));
}

TEST_CASE("clipping by value clamps each element", "[optim][N7]") {
  const Tensor x = leaf({0, 0, 0, 0});
  SGD sgd({x}, {.lr = 1});
  sum(tensor({4}, {0.5, -3, 2, -1}, kF64) * x).backward();
  sgd.clip_gradient_value(1);
  CHECK(x.grad().to_vector() == std::vector<double>{0.5, -1, 1, -1});
}

TEST_CASE("projected SGD keeps the norm of the parameters", "[optim][W2]") {
  const Tensor w = leaf({0.3, 0.4});
  SGD sgd({w}, {.lr = 1, .max_norm = 2});
  const auto pull = [&](double slope) {
    sgd.zero_grad();
    (sum(w) * -slope).backward();
    sgd.step();
  };
  pull(0.1);
  check_near(values(w), {0.4, 0.5}, 1e-12);  // inside: an ordinary step
  for (int i = 0; i < 5; ++i) {
    pull(3);
    CHECK(std::hypot(values(w)[0], values(w)[1]) == Approx(2));
  }
}

TEST_CASE("state that is saved and loaded goes on with the same bits", "[optim]") {
  for (const char* name : {"sgd", "adam", "adamw"}) {
    INFO(name);
    const auto build = [&](const Tensor& w) {
      return make_optimizer({.name = name, .lr = 0.1, .momentum = std::string(name) == "sgd" ? 0.9 : 0},
                            {{.parameters = {w}}});
    };
    const Tensor whole = leaf({0.25, 0.5, 0.75, 1}), cut = leaf({0.25, 0.5, 0.75, 1});
    const auto once = build(whole);
    golden_steps(*once, whole, 6);

    const auto before = build(cut);
    golden_steps(*before, cut, 2);
    before->scale_lr(0.5);
    NamedTensors saved;
    for (const NamedTensor& entry : before->state()) saved.push_back({entry.name, entry.tensor.clone()});
    const Tensor again = tensor({4}, values(cut), kF64);
    again.set_requires_grad();
    const auto after = build(again);
    after->load(saved);
    CHECK(after->lr() == Approx(0.05));
    CHECK(after->steps() == 2);
    after->scale_lr(1);
    golden_steps(*after, again, 4);
    CHECK(values(again) == values(whole));
  }
}

TEST_CASE("a state of something else is refused", "[optim]") {
  const Tensor a = leaf({1, 2}), b = leaf({1});
  SGD plain({leaf({1, 2}), leaf({1})}, {.lr = 0.1});
  SGD momentum({a, b}, {.lr = 0.1, .momentum = 0.9});
  CHECK_THROWS_WITH(momentum.load(plain.state()), contains("has no 'momentum.0'"));
  CHECK_THROWS_WITH(plain.load(momentum.state()), contains("has 3 tensors, needed are 2"));
  SGD swapped({leaf({1}), leaf({1, 2})}, {.lr = 0.1, .momentum = 0.9});
  CHECK_THROWS_WITH(momentum.load(swapped.state()), contains("in another order"));
}

TEST_CASE("moving or freezing a parameter after the optimizer was built is an error", "[optim]") {
  nn::Linear layer({.in = 2, .out = 1});
  SGD sgd(layer.parameters(), {.lr = 0.1});
  sum(layer(ones({1, 2}))).backward();
  layer.to(DType::f64);
  CHECK_THROWS_WITH(sgd.step(), contains("was moved after the optimizer was built"));

  nn::Linear frozen({.in = 2, .out = 1});
  Adam adam(frozen.parameters(), {});
  frozen.set_requires_grad(false);
  CHECK_THROWS_WITH(adam.step(), contains("was frozen after the optimizer was built"));
  CHECK_THROWS_WITH(SGD(frozen.parameters(), {.lr = 0.1}), contains("nothing to train"));
}

TEST_CASE("frozen parameters stay outside", "[optim]") {
  const Tensor a = leaf({1}), b = leaf({1});
  b.set_requires_grad(false);
  SGD sgd({a, b}, {.lr = 0.1, .weight_decay = 1});
  sum(a * b).backward();
  sgd.step();
  CHECK(values(a)[0] == Approx(1 - 0.1 * 2));
  CHECK(values(b)[0] == 1);
  CHECK(sgd.arenas()[0].parameters().size() == 1);
}

TEST_CASE("a step raises the version of every parameter", "[optim]") {
  const Tensor w = leaf({1, 2});
  SGD sgd({w}, {.lr = 0.1});
  const Tensor loss = sum(square(w));
  sgd.zero_grad();
  sgd.step();
  CHECK_THROWS_WITH(loss.backward(), contains("sgd"));
}

TEST_CASE("a whole step waits for nothing", "[optim]") {
  nn::Linear layer({.in = 4, .out = 3});
  Adam adam(decay_only_weights(layer.parameters()), {.lr = 0.1, .weight_decay = 0.1});
  const Tensor x = ones({5, 4});
  const NoSync no_sync;
  for (int i = 0; i < 2; ++i) {
    adam.zero_grad();
    sum(layer(x)).backward();
    adam.clip_gradient_norm(1);
    adam.clip_gradient_value(0.1);
    adam.step();
  }
  SUCCEED();
}

TEST_CASE("optimizers refuse options without sense", "[optim]") {
  const Tensor w = leaf({1});
  CHECK_THROWS_WITH(SGD({w}, {.lr = -1}), contains("learning rate must not be negative, got -1"));
  CHECK_THROWS_WITH(SGD({w}, {.lr = 1, .nesterov = true}), contains("nesterov needs a momentum"));
  CHECK_THROWS_WITH(Adam({w}, {.beta1 = 1}), contains("must lie in [0, 1)"));
  CHECK_THROWS_WITH(make_optimizer({.name = "adma"}, {{.parameters = {w}}}), contains("did you mean 'adam'?"));
  CHECK_THROWS_WITH(make_optimizer({.name = "adam", .momentum = 0.9}, {{.parameters = {w}}}),
                    contains("momentum and nesterov are options of sgd"));
}
