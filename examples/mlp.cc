// A multilayer perceptron on Fashion-MNIST (lecture notes 1.6; P3): 784-256-10 with ReLU, 203,530 parameters.
#include "examples/fashion_mnist.h"
#include "examples/figures.h"
#include "nn/nn.h"

using namespace weft;

int main(int argc, char** argv) {
  nn::Sequential net(nn::Flatten(), nn::Linear({.in = 784, .out = 256}), nn::ReLU(),
                     nn::Linear({.in = 256, .out = 10}));
  nn::init::initialize(net, "normal:0.01");
  const train::MetricsRow last = examples::train_on_fashion_mnist(net, {.lr = 0.1}, examples::data_folder(argc, argv));

  examples::Figures figures;
  figures.expect("parameters", static_cast<double>(net.parameter_count()), 203530, 203530);
  figures.expect("train loss, last epoch", last.train_loss, 0.378, 0.388);
  figures.expect("train accuracy, last epoch", *last.train_top1, 0.861, 0.867);
  figures.expect("test accuracy", *last.val_top1, 0.81, 1);
  return figures.exit_code();
}
