// Linear regression (lecture notes 1.2; L0) on 1000 samples of y = 2 x1 - 3.4 x2 + 4.2 + noise: from scratch, then with
// a layer, a loader and an optimizer. Both start from zero weights, which is fine for a convex problem.
#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "core/ops/loss.h"
#include "core/ops/matmul.h"
#include "core/ops/reduce.h"
#include "data/linear_data.h"
#include "data/loader.h"
#include "examples/figures.h"
#include "nn/nn.h"
#include "optim/optim.h"

using namespace weft;

namespace {

const data::LinearLaw kLaw = {.weights = {2, -3.4}, .bias = 4.2, .noise = 0.01};
constexpr double kRate = 0.03;
constexpr int kBatch = 10, kEpochs = 3;

double loss_over(const data::TableSet& all, const std::function<Tensor(const Tensor&)>& predict) {
  const NoGrad no_grad;
  return squared_loss(predict(all.inputs()), all.targets()).item();
}

void report(examples::Figures& figures, const std::string& how, double loss, const Tensor& w, double b) {
  const std::vector<double> found = w.to_vector();
  figures.expect((how + ": mean loss after 3 epochs").c_str(), loss, 0, 1e-4);
  figures.expect((how + ": error of w1").c_str(), found[0] - kLaw.weights[0], -2e-3, 2e-3);
  figures.expect((how + ": error of w2").c_str(), found[1] - kLaw.weights[1], -2e-3, 2e-3);
  figures.expect((how + ": error of b").c_str(), b - kLaw.bias, -2e-3, 2e-3);
}

void from_scratch(examples::Figures& figures, const std::shared_ptr<const data::TableSet>& all) {
  const Tensor w = zeros({2, 1}), b = zeros({1});
  w.set_requires_grad(), b.set_requires_grad();
  const auto predict = [&](const Tensor& x) { return matmul(x, w) + b; };
  data::Loader batches(all, {.batch_size = kBatch, .shuffle = true});
  for (int epoch = 0; epoch < kEpochs; ++epoch)
    while (const auto batch = batches.next()) {
      sum(square(predict(batch->input) - batch->target) / 2.0).backward();
      const NoGrad no_grad;
      for (const Tensor& parameter : {w, b}) {
        add_(parameter, parameter.grad(), -kRate / kBatch);
        parameter.zero_grad();
      }
    }
  report(figures, "from scratch", loss_over(*all, predict), w, b.item());
}

void with_layers(examples::Figures& figures, const std::shared_ptr<const data::TableSet>& all) {
  nn::Linear net({.in = 2, .out = 1});
  nn::init::initialize(net, "zeros");
  optim::SGD optimizer(net.parameters(), {.lr = kRate});
  data::Loader batches(all, {.batch_size = kBatch, .shuffle = true});
  for (int epoch = 0; epoch < kEpochs; ++epoch)
    while (const auto batch = batches.next()) {
      optimizer.zero_grad();
      squared_loss(net(batch->input), batch->target).backward();
      optimizer.step();
    }
  report(figures, "with layers", loss_over(*all, [&](const Tensor& x) { return net(x); }), net.weight(),
         net.bias().item());
}

}  // namespace

int main() {
  const auto all = data::linear_data(kLaw, 0, data::Split::train, 1000);
  examples::Figures figures;
  from_scratch(figures, all);
  with_layers(figures, all);
  return figures.exit_code();
}
