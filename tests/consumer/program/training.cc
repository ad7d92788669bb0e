#include "training.h"

#include <weft/core/ops/loss.h>
#include <weft/core/ops/reduce.h>
#include <weft/data/loader.h>
#include <weft/nn/linear.h>
#include <weft/optim/sgd.h>

#include <cmath>

#include "soft_sign.h"

namespace consumer {
namespace {

using weft::Tensor;

// Points of the plane on a spiral from the origin; the class is whether the point is far out.
class Rings final : public weft::data::Dataset {
 public:
  std::int64_t size() const override { return 512; }
  weft::data::Sample sample(std::int64_t index) const override {
    const double angle = 0.7 * static_cast<double>(index), radius = static_cast<double>(index) / 256;
    return {weft::tensor({2}, {radius * std::cos(angle), radius * std::sin(angle)}),
            weft::tensor({}, {radius > 1 ? 1.0 : 0.0}, {.dtype = weft::DType::i64})};
  }
};

class Net final : public weft::nn::Module {
 public:
  void members(weft::nn::Visitor& v) override { v("hidden", hidden_, "out", out_); }

 protected:
  Tensor forward(const Tensor& x) override { return out_(soft_sign(hidden_(x))); }  // (N, 2) -> (N, 2)

 private:
  weft::nn::Linear hidden_{{.in = 2, .out = 16}};
  weft::nn::Linear out_{{.in = 16, .out = 2}};
};

}  // namespace

double train_on_rings() {
  weft::data::Loader loader(std::make_shared<Rings>(), {.batch_size = 32, .shuffle = true, .seed = 1});
  Net net;
  weft::optim::SGD optimizer(net.parameters(), {.lr = 0.2, .momentum = 0.9});
  double right = 0;
  for (int epoch = 0; epoch < 30; ++epoch) {
    right = 0;
    while (const auto batch = loader.next()) {
      const Tensor logits = net(batch->input);
      optimizer.zero_grad();
      cross_entropy(logits, batch->target).backward();
      optimizer.step();
      const auto guesses = argmax(logits.detach(), 1).to_vector(), classes = batch->target.to_vector();
      for (std::size_t i = 0; i < guesses.size(); ++i) right += guesses[i] == classes[i];
    }
  }
  return right / static_cast<double>(loader.epoch_samples());
}

}  // namespace consumer
