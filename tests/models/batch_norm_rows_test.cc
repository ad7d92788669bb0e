// What batch normalisation does to training: a LeNet of sigmoids that stands still without it learns with it.
#include "core/generator.h"
#include "core/ops/elementwise.h"
#include "core/ops/loss.h"
#include "core/ops/random.h"
#include "models/registry.h"
#include "nn/nn.h"
#include "optim/optim.h"
#include "tests/catch.h"

using namespace weft;

namespace {

// The mean loss of the last ten of some steps on noisy pictures of ten classes, 28 x 28.
double loss_after(const char* model, int steps) {
  constexpr std::int64_t kBatch = 64;
  manual_seed(1);
  const auto net = models::make_model(model);
  optim::SGD sgd(net->parameters(), {.lr = 0.9});
  const Tensor pictures = empty({10, 1, 28, 28});
  normal_(pictures, 0, 1, {5, 0});
  std::vector<double> classes;
  for (std::int64_t i = 0; i < kBatch; ++i) classes.push_back(static_cast<double>(i * 7 % 10));
  const Tensor labels = tensor({kBatch}, classes, {.dtype = DType::i64});
  double sum = 0;
  for (int step = 0; step < steps; ++step) {
    const Tensor x = empty({kBatch, 1, 28, 28});
    normal_(x, 0, 1, {5, std::uint64_t(step) + 1});
    for (std::int64_t i = 0; i < kBatch; ++i)
      add_(x.select(0, i), pictures.select(0, static_cast<std::int64_t>(classes[static_cast<std::size_t>(i)])));
    sgd.zero_grad();
    const Tensor loss = cross_entropy((*net)(x), labels);
    if (step >= steps - 10) sum += loss.item() / 10;
    loss.backward();
    sgd.step();
  }
  return sum;
}

}  // namespace

TEST_CASE("with batch normalisation the first steps bring the loss down, without it they do not", "[models][B5]") {
  const double plain = loss_after("lenet", 60), normalised = loss_after("bn_lenet", 60);
  CHECK(plain > 2.2);  // chance is 2.30
  CHECK(normalised < 0.7);
}
