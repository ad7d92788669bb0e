#include "data/linear_data.h"

#include <cmath>

#include "tests/catch.h"

namespace weft::data {

TEST_CASE("linear data follows its law: inputs are normal, the noise has its size", "[L0]") {
  const std::shared_ptr<const TableSet> set =
      linear_data({.weights = {2, -3.4}, .bias = 4.2, .noise = 0.01}, 1, Split::train, 10000);
  const std::vector<double> x = set->inputs().to_vector(), y = set->targets().to_vector();
  double sum = 0, squares = 0, noise = 0, noise_squares = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    sum += x[2 * i] + x[2 * i + 1];
    squares += x[2 * i] * x[2 * i] + x[2 * i + 1] * x[2 * i + 1];
    const double extra = y[i] - (2 * x[2 * i] - 3.4 * x[2 * i + 1] + 4.2);
    noise += extra;
    noise_squares += extra * extra;
  }
  const double n = static_cast<double>(y.size());  // four standard errors each
  CHECK(std::abs(sum / (2 * n)) < 4 / std::sqrt(2 * n));
  CHECK(std::abs(squares / (2 * n) - 1) < 4 * std::sqrt(2 / (2 * n)));
  CHECK(std::abs(noise / n) < 4 * 0.01 / std::sqrt(n));
  CHECK(std::abs(noise_squares / n - 1e-4) < 4e-4 * std::sqrt(2 / n));
}

TEST_CASE("the first samples are the same however many are asked for; splits and seeds differ", "[W1]") {
  const DatasetPtr few = open("high-dimensional-regression");
  const DatasetPtr many = open("high-dimensional-regression", {.samples = 50});
  CHECK(few->size() == 20);
  CHECK(open("high-dimensional-regression", {.split = Split::val})->size() == 100);
  const std::int64_t last[] = {19};
  CHECK(few->batch(last).input.to_vector() == many->batch(last).input.to_vector());
  CHECK(few->batch(last).target.to_vector() == many->batch(last).target.to_vector());
  CHECK(few->batch(last).input.shape() == Shape{1, 200});
  CHECK(few->batch(last).target.shape() == Shape{1, 1});
  for (const OpenOptions& other : {OpenOptions{.split = Split::val}, OpenOptions{.seed = 1}}) {
    CHECK(open("high-dimensional-regression", other)->batch(last).input.to_vector() !=
          few->batch(last).input.to_vector());
  }
}

}  // namespace weft::data
