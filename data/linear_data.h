// Data of the lecture notes' linear regressions: y = X w + b + noise, with X and the noise normal.
#pragma once

#include <vector>

#include "data/registry.h"

namespace weft::data {

struct LinearLaw {
  std::vector<double> weights;
  double bias = 0;
  double noise = 0.01;  // its standard deviation
};

// The samples of one split. The first k of them are the same however many are asked for.
WEFT_API std::shared_ptr<const TableSet> linear_data(const LinearLaw& law, std::uint64_t seed, Split split,
                                                     std::int64_t samples);

// w = (2, -3.4), b = 4.2, noise 0.01, 1000 samples.
WEFT_API const Facts& linear_regression_facts();
WEFT_API DatasetPtr open_linear_regression(const OpenOptions& options);

// 200 weights of 0.01, b = 0.05, noise 0.01, 20 samples to train on: what weight decay is shown with.
WEFT_API const Facts& high_dimensional_regression_facts();
WEFT_API DatasetPtr open_high_dimensional_regression(const OpenOptions& options);

}  // namespace weft::data
