// Weight decay (lecture notes 1.3; W1): 200 weights and 20 samples. Without it the net learns the samples by heart and
// is useless on others; shrinking the weights a little in each step (lambda = 3) cures that.
#include "core/autograd.h"
#include "core/ops/loss.h"
#include "core/ops/reduce.h"
#include "data/linear_data.h"
#include "data/loader.h"
#include "examples/figures.h"
#include "nn/nn.h"
#include "optim/optim.h"

using namespace weft;

namespace {

struct Outcome {
  double weight_norm = 0, train_loss = 0, test_loss = 0;
};

Outcome train_with(double weight_decay) {
  const data::LinearLaw law = {.weights = std::vector<double>(200, 0.01), .bias = 0.05, .noise = 0.01};
  const auto train = data::linear_data(law, 0, data::Split::train, 20);
  const auto test = data::linear_data(law, 0, data::Split::val, 100);
  nn::Linear net({.in = 200, .out = 1});
  nn::init::normal(net.weight(), 0, 1, {.seed = 0, .stream = 1});
  nn::init::zeros(net.bias());
  // The bias is not decayed: a group of its own says so.
  optim::SGD optimizer(optim::decay_only_weights(net.parameters()), {.lr = 0.003, .weight_decay = weight_decay});
  data::Loader batches(train, {.batch_size = 5, .shuffle = true});
  for (int epoch = 0; epoch < 100; ++epoch)
    while (const auto batch = batches.next()) {
      optimizer.zero_grad();
      squared_loss(net(batch->input), batch->target).backward();
      optimizer.step();
    }
  const NoGrad no_grad;
  const auto loss = [&](const data::TableSet& set) { return squared_loss(net(set.inputs()), set.targets()).item(); };
  return {norm(net.weight()).item(), loss(*train), loss(*test)};
}

}  // namespace

int main() {
  examples::Figures figures;
  const Outcome without = train_with(0), with = train_with(3);
  figures.expect("lambda 0: norm of the weights", without.weight_norm, 10, 17);
  figures.expect("lambda 0: train loss", without.train_loss, 0, 0.01);
  figures.expect("lambda 0: test loss", without.test_loss, 50, 1000);
  figures.expect("lambda 3: norm of the weights", with.weight_norm, 0, 0.5);
  figures.expect("lambda 3: test loss", with.test_loss, 0, 1);
  return figures.exit_code();
}
