// Dynamic loss scaling: PyTorch's rule of the scale, skipped steps that leave no trace, and its state.
#include "optim/grad_scaler.h"

#include <cmath>

#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "core/ops/reduce.h"
#include "optim/optim.h"
#include "tests/catch.h"

using namespace weft;
using namespace weft::optim;

namespace {

// One step on sum((x - i)^2) whose gradient is infinite when asked.
template <typename Step>
void one_step(const Tensor& x, double target, bool overflow, Optimizer& optimizer, const GradScaler* scaler,
              const Step& step) {
  optimizer.zero_grad();
  Tensor loss = sum(square(sub(x, target)));
  if (overflow) loss = mul(loss, INFINITY);
  (scaler ? scaler->scale(loss) : loss).backward();
  step();
}

template <typename Make>
void check_skips(const Make& make) {
  const Tensor plain = tensor({3}, {1, -2, 3}).set_requires_grad(), scaled = plain.detach().clone().set_requires_grad();
  const auto a = make(plain), b = make(scaled);
  const GradScaler scaler(Device{});
  const bool overflows[] = {true, false, false, true, true, false, false};
  int done = 0, skipped = 0;
  for (const bool overflow : overflows) {
    const std::vector<double> before = scaled.to_vector();
    one_step(scaled, done, overflow, *b, &scaler, [&] { scaler.step(*b); });
    if (overflow) {
      ++skipped;
      CHECK(scaled.to_vector() == before);
    } else {
      one_step(plain, done++, false, *a, nullptr, [&] { a->step(); });
    }
    CHECK(scaled.to_vector() == plain.to_vector());  // bits: the scale is a power of 2
    CHECK(scaler.skipped() == skipped);
    CHECK(scaler.scale() == 65536 / std::pow(2, skipped));
  }
}

}  // namespace

TEST_CASE("a step that overflows is skipped and halves the scale, and the others are as if it had not been",
          "[optim]") {
  check_skips(
      [](const Tensor& x) { return std::make_unique<SGD>(Tensors{x}, SGDOptions{.lr = 0.1, .momentum = 0.9}); });
  check_skips([](const Tensor& x) { return std::make_unique<Adam>(Tensors{x}, AdamOptions{.lr = 0.1}); });
}

TEST_CASE("the scale doubles after so many steps without overflow, and never becomes infinite", "[optim]") {
  const Tensor x = tensor({1}, {1}).set_requires_grad();
  SGD optimizer({x}, {.lr = 0});
  const GradScaler scaler(Device{}, {.scale = 1024, .update = {.interval = 3}});
  std::vector<double> scales;
  for (const bool overflow : {false, false, false, false, true, false, false, false, false}) {
    one_step(x, 0, overflow, optimizer, &scaler, [&] { scaler.step(optimizer); });
    scales.push_back(scaler.scale());
  }
  CHECK(scales == std::vector<double>{1024, 1024, 2048, 2048, 1024, 1024, 1024, 2048, 2048});
  const GradScaler largest(Device{}, {.scale = 0x1p127, .update = {.interval = 1}});
  one_step(tensor({1}, {0}).set_requires_grad(), 0, false, optimizer, nullptr, [&] {});
  x.zero_grad();
  largest.step(optimizer);  // without any gradient: zeros
  CHECK(largest.scale() == 0x1p127);
}

TEST_CASE("clipping sees gradients without the scale", "[optim]") {
  const Tensor x = tensor({2}, {3, 4}).set_requires_grad();
  SGD optimizer({x}, {.lr = 1});
  const GradScaler scaler(Device{});
  optimizer.zero_grad();
  scaler.scale(sum(mul(square(x), 0.5))).backward();
  scaler.unscale(optimizer);
  CHECK(optimizer.clip_gradient_norm(1).item() == Approx(5));
  optimizer.advance();
  scaler.apply(optimizer);
  CHECK(x.to_vector()[0] == Approx(3 - 0.6));
}

TEST_CASE("a scaler's state goes on where it was", "[optim]") {
  const GradScaler from(Device{}, {.scale = 8}), to(Device{});
  GradScaler other(Device{});
  other.load(from.state());
  CHECK(other.scale() == 8);
  CHECK_THROWS_AS(other.load(zeros({3})), Error);
  CHECK_THROWS_AS(GradScaler(Device{}, {.scale = 0}), Error);
}
