// Dropout (lecture notes 1.4; D3): an MLP with two hidden layers of 256 that loses a fifth of the first and half of the
// second layer's outputs in training. 269,322 parameters.
#include "examples/fashion_mnist.h"
#include "examples/figures.h"
#include "nn/nn.h"

using namespace weft;

namespace {

int lesson(const examples::Settings& settings) {
  nn::Sequential net(nn::Flatten(),  // (N, 784)
                     nn::Linear({.in = 784, .out = 256}), nn::ReLU(), nn::Dropout(0.2),
                     nn::Linear({.in = 256, .out = 256}), nn::ReLU(), nn::Dropout(0.5),
                     nn::Linear({.in = 256, .out = 10}));
  nn::init::initialize(net, "normal:0.01");
  const train::MetricsRow last = examples::train_on_fashion_mnist(net, {.lr = 0.5}, settings);

  examples::Figures figures(settings.whole());
  figures.expect("parameters", static_cast<double>(net.parameter_count()), 269322, 269322);
  figures.reached("test accuracy", *last.val_top1, 0.84, 1);
  return figures.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  return examples::run(argc, argv, "an MLP with dropout on Fashion-MNIST, ten epochs", lesson);
}
