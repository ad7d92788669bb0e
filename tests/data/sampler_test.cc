#include "data/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "core/error.h"
#include "tests/catch.h"

namespace weft::data {
namespace {

std::vector<std::int64_t> order(std::int64_t n, std::uint64_t seed, std::uint64_t epoch = 0) {
  const Permutation permutation(n, {seed, stream_number(RandomPurpose::order, epoch)});
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < n; ++i) all.push_back(permutation(i));
  return all;
}

std::vector<std::int64_t> epoch_of(const Sampler& sampler, std::int64_t epoch) {
  std::vector<std::int64_t> all;
  for (SamplerState state{epoch, 0}; state.epoch == epoch; state = sampler.after(state)) {
    for (const std::int64_t index : sampler.batch(state)) all.push_back(index);
  }
  return all;
}

}  // namespace

TEST_CASE("a permutation visits every sample once, for every size") {
  for (std::int64_t n = 1; n <= 300; ++n) {
    std::vector<std::int64_t> seen = order(n, 7);
    std::sort(seen.begin(), seen.end());
    std::vector<std::int64_t> expected(static_cast<std::size_t>(n));
    std::iota(expected.begin(), expected.end(), 0);
    REQUIRE(seen == expected);
  }
  std::vector<std::int64_t> seen = order(60000, 1);
  std::sort(seen.begin(), seen.end());
  for (std::size_t i = 0; i < seen.size(); ++i) REQUIRE(seen[i] == static_cast<std::int64_t>(i));
}

TEST_CASE("permutations of tiny sets are all reached about equally often") {
  std::vector<int> count(24);
  constexpr int kDraws = 24000;
  for (int seed = 0; seed < kDraws; ++seed) {
    std::vector<std::int64_t> p = order(4, static_cast<std::uint64_t>(seed)), sorted = {0, 1, 2, 3};
    std::size_t rank = 0;
    while (sorted != p) std::next_permutation(sorted.begin(), sorted.end()), ++rank;
    ++count[rank];
  }
  double chi2 = 0;
  for (const int c : count) chi2 += (c - 1000.0) * (c - 1000.0) / 1000.0;
  CHECK(chi2 < 60);  // 23 degrees of freedom: above 60 once in 40,000
}

TEST_CASE("a shuffled epoch looks random: places are uniform, neighbours are torn apart") {
  constexpr std::int64_t kSamples = 60000, kBins = 100;
  const std::vector<std::int64_t> p = order(kSamples, 1);
  // Where the samples of each hundredth of the epoch come from, against uniform.
  std::vector<int> table(kBins * kBins);
  for (std::int64_t i = 0; i < kSamples; ++i) {
    const std::int64_t from = p[static_cast<std::size_t>(i)];
    ++table[static_cast<std::size_t>(i * kBins / kSamples * kBins + from * kBins / kSamples)];
  }
  double chi2 = 0;
  const double expected = static_cast<double>(kSamples) / (kBins * kBins);
  for (const int c : table) chi2 += (c - expected) * (c - expected) / expected;
  const double freedom = (kBins - 1) * (kBins - 1);
  CHECK(std::abs(chi2 - freedom) < 5 * std::sqrt(2 * freedom));
  int near = 0;
  for (std::size_t i = 0; i + 1 < p.size(); ++i) near += std::abs(p[i] - p[i + 1]) <= 5;
  CHECK(near < 30);  // 10 are expected
}

TEST_CASE("epochs and seeds give different orders, the same ones the same order") {
  CHECK(order(1000, 1, 0) == order(1000, 1, 0));
  CHECK(order(1000, 1, 0) != order(1000, 1, 1));
  CHECK(order(1000, 1, 0) != order(1000, 2, 0));
}

TEST_CASE("the order of a shuffled epoch is pinned: runs of older versions resume") {
  const Sampler sampler({.samples = 60000, .batch_size = 4, .shuffle = true, .seed = 1});
  CHECK(sampler.batch({0, 0}) == std::vector<std::int64_t>{34791, 28734, 22130, 40147});
  CHECK(sampler.batch({3, 59996}) == std::vector<std::int64_t>{691, 37136, 57084, 36032});
}

TEST_CASE("the last short batch is kept or dropped") {
  const Sampler keeps({.samples = 10, .batch_size = 4});
  CHECK(keeps.batches() == 3);
  CHECK(keeps.batch({0, 8}) == std::vector<std::int64_t>{8, 9});
  CHECK(keeps.after({0, 8}) == SamplerState{1, 0});
  const Sampler drops({.samples = 10, .batch_size = 4, .drop_last = true});
  CHECK(drops.batches() == 2);
  CHECK(drops.epoch_samples() == 8);
  CHECK(drops.after({2, 4}) == SamplerState{3, 0});
  CHECK(epoch_of(keeps, 5) == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(epoch_of(drops, 0).size() == 8);
  const Sampler exact({.samples = 8, .batch_size = 4, .drop_last = true});
  CHECK(exact.batches() == 2);
}

TEST_CASE("a dropped short batch leaves out other samples in each epoch") {
  const Sampler sampler({.samples = 10, .batch_size = 4, .shuffle = true, .drop_last = true, .seed = 3});
  std::set<std::int64_t> seen;
  for (int epoch = 0; epoch < 20; ++epoch) {
    const std::vector<std::int64_t> all = epoch_of(sampler, epoch);
    seen.insert(all.begin(), all.end());
    CHECK(std::set(all.begin(), all.end()).size() == 8);
  }
  CHECK(seen.size() == 10);
}

TEST_CASE("a sampler refuses what it cannot do in one line") {
  CHECK_THROWS_WITH(Sampler({.samples = 0}), "sampler: the data set is empty");
  CHECK_THROWS_WITH(Sampler({.samples = 5, .batch_size = 0}), "sampler: batch size must be at least 1, got 0");
  CHECK_THROWS_WITH(Sampler({.samples = 5, .batch_size = 6, .drop_last = true}),
                    "sampler: dropping the short last batch leaves none: 5 samples, batch size 6");
  const Sampler sampler({.samples = 10, .batch_size = 4});
  for (const SamplerState state : {SamplerState{0, 3}, {0, 12}, {-1, 0}, {0, -4}}) {
    CHECK_THROWS_AS(sampler.batch(state), Error);
  }
}

}  // namespace weft::data
