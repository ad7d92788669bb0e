// Softmax regression on Fashion-MNIST (lecture notes 1.2; L3): one linear layer of 7,850 parameters, first from
// scratch, with nothing but tensors and their gradients, then with layers, optimizer and trainer.
#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "core/ops/index.h"
#include "core/ops/matmul.h"
#include "core/ops/random.h"
#include "core/ops/reduce.h"
#include "examples/fashion_mnist.h"
#include "examples/figures.h"
#include "nn/nn.h"

using namespace weft;

namespace {

// exp(x) / sum(exp(x)) of each row.
Tensor softmax_of_rows(const Tensor& x) {
  const Tensor e = exp(x - max(x, {1}, true).detach());
  return e / sum(e, {1}, true);
}

struct Figure {
  double loss = 0, accuracy = 0;
};

Figure train_from_scratch(const examples::Settings& settings) {
  constexpr double kRate = 0.1;
  data::Loader batches(data::open("fashion-mnist", {.dir = settings.folder, .samples = settings.samples}),
                       {.batch_size = 256, .shuffle = true});
  Tensor w = empty({784, 10}), b = zeros({10});
  normal_(w, 0, 0.01, {.seed = 0, .stream = 1});
  w.set_requires_grad(), b.set_requires_grad();
  Figure epoch;
  for (int number = 1; number <= (settings.epochs > 0 ? settings.epochs : 10); ++number) {
    epoch = {};
    while (const auto batch = batches.next()) {
      const Tensor x = batch->input.reshape({-1, 784});                            // (N, 784)
      const Tensor probability = softmax_of_rows(matmul(x, w) + b);                // (N, 10)
      const Tensor of_label = gather(probability, 1, batch->target.unsqueeze(1));  // (N, 1)
      const Tensor loss = -sum(log(of_label));
      loss.backward();
      const NoGrad no_grad;
      for (const Tensor& parameter : {w, b}) {
        add_(parameter, parameter.grad(), -kRate / static_cast<double>(batch->size()));
        parameter.zero_grad();
      }
      epoch.loss += loss.item();
      epoch.accuracy += sum(equal(argmax(probability, 1), batch->target).to(DType::f32)).item();
    }
  }
  const auto samples = static_cast<double>(batches.epoch_samples());
  return {epoch.loss / samples, epoch.accuracy / samples};
}

int lesson(const examples::Settings& settings) {
  examples::Figures figures(settings.whole());
  const Figure scratch = train_from_scratch(settings);
  figures.reached("from scratch: train loss, last epoch", scratch.loss, 0.445, 0.449);
  figures.reached("from scratch: train accuracy, last epoch", scratch.accuracy, 0.846, 0.850);

  nn::Sequential net(nn::Flatten(), nn::Linear({.in = 784, .out = 10}));
  nn::init::initialize(net, "normal:0.01");
  const train::MetricsRow last = examples::train_on_fashion_mnist(net, {.lr = 0.1}, settings);
  figures.reached("train loss, last epoch", last.train_loss, 0.445, 0.449);
  figures.reached("train accuracy, last epoch", *last.train_top1, 0.846, 0.850);
  figures.reached("test accuracy", *last.val_top1, 0.80, 1);
  return figures.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  return examples::run(argc, argv, "softmax regression on Fashion-MNIST, from scratch and with layers", lesson);
}
