// LeNet-5 on Fashion-MNIST (lecture notes 1.8; CN1): two convolutions and three linear layers with sigmoids, 61,706
// parameters. For the first epochs it stays on a plateau; that is normal.
#include "examples/fashion_mnist.h"
#include "examples/figures.h"
#include "nn/nn.h"

using namespace weft;

namespace {

int lesson(const examples::Settings& settings) {
  nn::Sequential net(nn::Conv2d({.in = 1, .out = 6, .kernel = 5, .padding = 2}), nn::Sigmoid(),  // (N, 6, 28, 28)
                     nn::AvgPool2d({.kernel = 2}),                                               // (N, 6, 14, 14)
                     nn::Conv2d({.in = 6, .out = 16, .kernel = 5}), nn::Sigmoid(),               // (N, 16, 10, 10)
                     nn::AvgPool2d({.kernel = 2}), nn::Flatten(),                                // (N, 400)
                     nn::Linear({.in = 400, .out = 120}), nn::Sigmoid(), nn::Linear({.in = 120, .out = 84}),
                     nn::Sigmoid(), nn::Linear({.in = 84, .out = 10}));
  nn::init::initialize(net, "book-ch6");
  const train::MetricsRow last = examples::train_on_fashion_mnist(net, {.lr = 0.9}, settings);

  examples::Figures figures(settings.whole());
  figures.expect("parameters", static_cast<double>(net.parameter_count()), 61706, 61706);
  figures.reached("test accuracy", *last.val_top1, 0.75, 1);
  return figures.exit_code();
}

}  // namespace

int main(int argc, char** argv) { return examples::run(argc, argv, "LeNet-5 on Fashion-MNIST, ten epochs", lesson); }
