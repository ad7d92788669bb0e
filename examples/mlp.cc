// A multilayer perceptron on Fashion-MNIST (lecture notes 1.6; P3): 784-256-10 with ReLU, 203,530 parameters.
#include "examples/fashion_mnist.h"
#include "examples/figures.h"
#include "nn/nn.h"

using namespace weft;

namespace {

int lesson(const examples::Settings& settings) {
  nn::Sequential net(nn::Flatten(), nn::Linear({.in = 784, .out = 256}), nn::ReLU(),
                     nn::Linear({.in = 256, .out = 10}));
  nn::init::initialize(net, "normal:0.01");
  const train::MetricsRow last = examples::train_on_fashion_mnist(net, {.lr = 0.1}, settings);

  examples::Figures figures(settings.whole());
  figures.expect("parameters", static_cast<double>(net.parameter_count()), 203530, 203530);
  figures.reached("train loss, last epoch", last.train_loss, 0.378, 0.388);
  figures.reached("train accuracy, last epoch", *last.train_top1, 0.861, 0.867);
  figures.reached("test accuracy", *last.val_top1, 0.81, 1);
  return figures.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  return examples::run(argc, argv, "a multilayer perceptron on Fashion-MNIST, ten epochs", lesson);
}
