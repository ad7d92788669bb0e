#include "data/linear_data.h"

#include "core/autograd.h"
#include "core/ops/random.h"

namespace weft::data {
namespace {

const LinearLaw& linear_regression_law() {
  static const LinearLaw law = {.weights = {2, -3.4}, .bias = 4.2};
  return law;
}

const LinearLaw& high_dimensional_law() {
  static const LinearLaw law = {.weights = std::vector<double>(200, 0.01), .bias = 0.05};
  return law;
}

Facts facts_of(const LinearLaw& law, const char* name, const char* about, std::int64_t train, std::int64_t val) {
  return {.name = name,
          .about = about,
          .input = {static_cast<std::int64_t>(law.weights.size())},
          .outputs = 1,
          .train_samples = train,
          .val_samples = val,
          .drawn = true};
}

DatasetPtr open_law(const LinearLaw& law, const Facts& facts, const OpenOptions& options) {
  const std::int64_t usual = options.split == Split::train ? facts.train_samples : facts.val_samples;
  return linear_data(law, options.seed, options.split, options.samples > 0 ? options.samples : usual);
}

}  // namespace

std::shared_ptr<const TableSet> linear_data(const LinearLaw& law, std::uint64_t seed, Split split,
                                            std::int64_t samples) {
  const auto features = static_cast<std::int64_t>(law.weights.size());
  require(features >= 1 && samples >= 1, "linear data", "needs weights and samples, got ", features, " and ", samples);
  const NoGrad no_grad;
  const auto stream = [&](std::uint64_t number) {
    constexpr std::uint64_t kFirst = 16;  // the numbers before are those of drawn images
    const std::uint64_t base = kFirst + (split == Split::train ? 0 : 2);
    return RandomStream{seed, stream_number(RandomPurpose::synthetic, base + number)};
  };
  const Tensor inputs = empty({samples, features}), noise = empty({samples}), targets = empty({samples, 1});
  normal_(inputs, 0, 1, stream(0));
  normal_(noise, 0, law.noise, stream(1));
  const std::span<const float> x = inputs.values<float>(), extra = noise.values<float>();
  const std::span<float> y = targets.values<float>();
  for (std::size_t row = 0; row < y.size(); ++row) {
    double sum = law.bias + extra[row];
    for (std::size_t k = 0; k < law.weights.size(); ++k) sum += law.weights[k] * x[row * law.weights.size() + k];
    y[row] = static_cast<float>(sum);
  }
  return std::make_shared<const TableSet>(inputs, targets);
}

const Facts& linear_regression_facts() {
  static const Facts facts =
      facts_of(linear_regression_law(), "linear-regression", "y = X (2, -3.4) + 4.2 + noise of 0.01", 1000, 1000);
  return facts;
}

DatasetPtr open_linear_regression(const OpenOptions& options) {
  return open_law(linear_regression_law(), linear_regression_facts(), options);
}

const Facts& high_dimensional_regression_facts() {
  static const Facts facts = facts_of(high_dimensional_law(), "high-dimensional-regression",
                                      "200 weights of 0.01, bias 0.05, noise of 0.01; too few samples", 20, 100);
  return facts;
}

DatasetPtr open_high_dimensional_regression(const OpenOptions& options) {
  return open_law(high_dimensional_law(), high_dimensional_regression_facts(), options);
}

}  // namespace weft::data
