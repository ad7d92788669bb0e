#include <cmath>

#include "core/ops/index.h"
#include "core/ops/reduce.h"
#include "nn/nn.h"
#include "tests/catch.h"
#include "train/evaluate.h"

namespace weft::train {

TEST_CASE("one-hot rows, argmax and the accuracy of the lecture notes' example", "[L10]") {
  const std::vector<double> rows = one_hot(tensor({2}, {0, 2}, {.dtype = DType::i64}), 28).to_vector();
  REQUIRE(rows.size() == 2 * 28);
  for (std::size_t i = 0; i < rows.size(); ++i) CHECK(rows[i] == (i == 0 || i == 28 + 2 ? 1 : 0));
  const Tensor y = tensor({2, 3}, {0.1, 0.3, 0.6, 0.3, 0.2, 0.5});
  const Tensor target = tensor({2}, {0, 2}, {.dtype = DType::i64});
  CHECK(argmax(y, 1).to_vector() == std::vector<double>{2, 2});
  CHECK(count_top(y, target, 1).item() / 2 == 0.5);
  CHECK(count_top(y, target, 2).item() == 1);
  CHECK(count_top(y, target, 3).item() == 2);
}

TEST_CASE("loss and accuracies are accumulated over samples, not over batches", "[L10]") {
  // Three samples in batches of two and one; the net hands its inputs through, bytes / 255, as logits.
  const Tensor images = tensor({3, 1, 1, 3}, {10, 30, 60, 30, 20, 50, 255, 0, 0}, {.dtype = DType::u8});
  const std::vector<double> bytes = images.to_vector();
  const std::vector<int> labels = {0, 2, 0};
  const auto set = std::make_shared<const data::ImageSet>(images, tensor({3}, {0, 2, 0}, {.dtype = DType::i64}));
  data::Loader loader(set, {.batch_size = 2});
  nn::Flatten net;
  const Evaluation result = *evaluate(net, loader, classification_objective(), {});
  double loss = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < 3; ++k) sum += std::exp(bytes[3 * i + k] / 255);
    loss += std::log(sum) - bytes[3 * i + static_cast<std::size_t>(labels[i])] / 255;
  }
  CHECK(result.samples == 3);
  CHECK(result.loss == Approx(loss / 3).epsilon(1e-6));
  CHECK(*result.top1 == Approx(2.0 / 3));
  CHECK(*result.top5 == 1);
}

TEST_CASE("after an evaluation every layer has the mode it had") {
  const auto set = std::make_shared<const data::ImageSet>(
      tensor({2, 1, 1, 3}, {1, 2, 3, 4, 5, 6}, {.dtype = DType::u8}), tensor({2}, {0, 2}, {.dtype = DType::i64}));
  data::Loader loader(set, {.batch_size = 2});
  nn::Sequential net(nn::Flatten(), nn::Dropout(0.5));
  net[0].eval();
  evaluate(net, loader, classification_objective(), {});
  CHECK(net.training());
  CHECK_FALSE(net[0].training());
  CHECK(net[1].training());
}

}  // namespace weft::train
