// Batch normalisation as a layer: its state, modes and calls, and what it makes of the bias before it.
#include "nn/batch_norm.h"

#include <cmath>
#include <cstring>

#include "core/generator.h"
#include "core/ops/copy.h"
#include "core/ops/elementwise.h"
#include "core/ops/random.h"
#include "core/ops/reduce.h"
#include "nn/nn.h"
#include "tests/catch.h"

using namespace weft;

namespace {

Tensor noise(const Shape& shape, std::uint64_t seed) {
  const Tensor x = empty(shape);
  normal_(x, 1, 2, {seed});
  return x;
}
std::vector<std::string> names(const NamedTensors& list) {
  std::vector<std::string> out;
  for (const NamedTensor& entry : list) out.push_back(entry.name);
  return out;
}
double largest(const Tensor& x) { return max(abs(x)).item(); }

}  // namespace

TEST_CASE("a batch norm layer holds PyTorch's state and gives gradients to weight and bias only", "[nn][B2]") {
  nn::BatchNorm layer({.features = 3});
  CHECK(names(layer.state()) ==
        std::vector<std::string>{"weight", "bias", "running_mean", "running_var", "num_batches_tracked"});
  CHECK(layer.weight().to_vector() == std::vector<double>(3, 1));
  CHECK(layer.bias().to_vector() == std::vector<double>(3, 0));
  CHECK(layer.running().mean.to_vector() == std::vector<double>(3, 0));
  CHECK(layer.running().variance.to_vector() == std::vector<double>(3, 1));
  CHECK(layer.running().batches.dtype() == DType::i64);
  CHECK(layer.running().batches.item() == 0);
  CHECK(layer.parameter_count() == 6);
  sum(square(layer(noise({4, 3, 5, 5}, 1)))).backward();
  for (const NamedTensor& entry : layer.state())
    CHECK(entry.tensor.grad().defined() == (entry.name == "weight" || entry.name == "bias"));
  CHECK(layer.running().batches.item() == 1);
  CHECK(nn::to_string(layer) == "BatchNorm(3)");
  nn::BatchNorm other({.features = 3, .momentum = 0.2, .eps = 1e-3, .moving = MovingVariance::biased, .relu = true});
  CHECK(nn::to_string(other) == "BatchNorm(3, momentum = 0.2, eps = 0.001, moving = biased, relu = true)");
}

TEST_CASE("a batch norm layer follows dtype and device, its count stays whole", "[nn][B2]") {
  nn::BatchNorm layer({.features = 3});
  layer(noise({4, 3}, 1));
  layer.to(DType::f64);
  CHECK(layer.running().variance.dtype() == DType::f64);
  CHECK(layer.running().batches.dtype() == DType::i64);
  CHECK(layer(noise({4, 3}, 2).to(DType::f64)).dtype() == DType::f64);
  CHECK(layer.running().batches.item() == 2);
}

TEST_CASE("training updates the running statistics, evaluation uses them", "[nn][B2]") {
  nn::BatchNorm layer({.features = 2, .momentum = 1, .eps = 1e-12});
  const Tensor x = noise({50, 2}, 1);
  const Tensor trained = layer(x);
  layer.eval();
  const Tensor before = layer.running().variance.clone();
  const Tensor y = layer(x);
  CHECK(layer.running().variance.to_vector() == before.to_vector());
  CHECK(layer.running().batches.item() == 1);
  // With momentum 1 they are the batch's own, but for n / (n - 1).
  CHECK(largest(y * std::sqrt(50.0 / 49) - trained) < 1e-5);
}

TEST_CASE("a weights file may lack num_batches_tracked, and nothing else", "[nn]") {
  nn::Sequential net(nn::BatchNorm({.features = 2})), other(nn::BatchNorm({.features = 2}));
  net(noise({4, 2}, 1));
  NamedTensors state = net.state();
  state.pop_back();
  CHECK(other.load(state).complete());
  CHECK(other.state()[3].tensor.to_vector() == net.state()[3].tensor.to_vector());
  CHECK(other.state()[4].tensor.item() == 0);
  state.pop_back();
  CHECK_THROWS_WITH(other.load(state), contains("missing: 0.running_var;"));
}

TEST_CASE("the calls of a batch norm layer are heard under its name", "[nn]") {
  struct Listener final : nn::LayerObserver {
    std::vector<std::string> calls;
    void entered(nn::Module& module, const Tensor&) override { calls.push_back(module.type()); }
    void left(nn::Module&, const Tensor& y) override { calls.push_back(to_string(y.shape())); }
  };
  nn::BatchNorm layer({.features = 2});
  const Tensor x = noise({3, 2}, 1), shortcut = noise({3, 2}, 2);
  const Tensor expected = add_relu(layer(x), shortcut);
  Listener listener;
  CHECK(layer.add_relu(x, shortcut).to_vector() == expected.to_vector());
  layer(x, batch_statistics(x));
  CHECK(listener.calls == std::vector<std::string>{"BatchNorm", "(3, 2)", "BatchNorm", "(3, 2)"});
}

TEST_CASE("batch normalisation makes the bias before it useless", "[nn][B4]") {
  manual_seed(3);
  const Tensor x = noise({8, 3, 6, 6}, 1), dy = noise({8, 4, 6, 6}, 2);
  nn::Conv2d conv({.in = 3, .out = 4, .kernel = 3, .padding = 1});
  nn::BatchNorm norm({.features = 4});
  const Tensor y = norm(conv(x));
  y.backward(dy);
  CHECK(largest(conv.bias().grad()) < 1e-6 * 8 * 36);  // a sum of 288 numbers of size 1 that cancel
  CHECK(largest(conv.weight().grad()) > 0.1);
  fill_(conv.bias().detach(), 0);
  CHECK(largest(norm(conv(x)) - y) < 1e-5);
}
