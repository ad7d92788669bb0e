#include "data/loader.h"

#include <atomic>
#include <chrono>

#include "tests/catch.h"

namespace weft::data {
namespace {

// Sample i is (i, 10 i) with target i; counts what is asked of it and fails at one index.
class Counting final : public Dataset {
 public:
  explicit Counting(std::int64_t n, std::int64_t broken = -1) : n_(n), broken_(broken) {}
  std::int64_t size() const override { return n_; }
  Sample sample(std::int64_t index) const override {
    ++asked;
    require_data(index != broken_, "counting", "sample ", index, " is broken");
    const auto value = static_cast<double>(index);
    return {tensor({2}, {value, 10 * value}), tensor({}, {value}, {.dtype = DType::i64})};
  }
  mutable std::atomic<int> asked = 0;

 private:
  std::int64_t n_, broken_;
};

// All targets of the next epochs, -1 at each end of an epoch.
std::vector<double> read_epochs(Loader& loader, int epochs) {
  std::vector<double> all;
  while (epochs > 0) {
    const std::optional<Batch> batch = loader.next();
    if (!batch) {
      all.push_back(-1);
      --epochs;
      continue;
    }
    const std::vector<double> x = batch->input.to_vector(), y = batch->target.to_vector();
    for (std::size_t i = 0; i < y.size(); ++i) {
      REQUIRE(x[2 * i] == y[i]);
      REQUIRE(x[2 * i + 1] == 10 * y[i]);
      all.push_back(y[i]);
    }
  }
  return all;
}

}  // namespace

TEST_CASE("batches are the same for any number of workers", "[L11]") {
  const auto dataset = std::make_shared<const Counting>(23);
  for (const bool drop_last : {false, true}) {
    LoaderOptions options = {.batch_size = 4, .shuffle = true, .drop_last = drop_last, .seed = 5, .workers = 0};
    Loader alone(dataset, options);
    const std::vector<double> expected = read_epochs(alone, 3);
    CHECK(expected.size() == 3 * (drop_last ? 20 : 23) + 3);
    for (const int workers : {1, 2, 5}) {
      options.workers = workers;
      Loader loader(dataset, options);
      CHECK(read_epochs(loader, 3) == expected);
    }
  }
}

TEST_CASE("a loader goes on from any state with the same batches") {
  const auto dataset = std::make_shared<const Counting>(10);
  for (const int workers : {0, 2}) {
    const LoaderOptions options = {.batch_size = 3, .shuffle = true, .seed = 9, .workers = workers};
    Loader whole(dataset, options);
    for (int batch = 0; batch < 8; ++batch) {
      Loader resumed(dataset, options);
      resumed.seek(whole.state());
      std::optional<Batch> expected = whole.next();
      if (!expected) expected = whole.next();  // the end of an epoch is not part of the state
      CHECK(resumed.next()->target.to_vector() == expected->target.to_vector());
    }
  }
}

TEST_CASE("seeking drops what was prefetched") {
  Loader loader(std::make_shared<const Counting>(9), {.batch_size = 3, .workers = 2});
  loader.next();
  loader.seek({4, 6});
  CHECK(loader.next()->target.to_vector() == std::vector<double>{6, 7, 8});
  CHECK(!loader.next());
  CHECK(loader.state() == SamplerState{5, 0});
  CHECK_THROWS_AS(loader.seek({0, 1}), Error);
}

TEST_CASE("a worker's exception reaches the consumer at its batch, again and again") {
  for (const int workers : {0, 1, 3}) {
    Loader loader(std::make_shared<const Counting>(12, 7), {.batch_size = 3, .workers = workers});
    CHECK(loader.next()->target.to_vector() == std::vector<double>{0, 1, 2});
    CHECK(loader.next()->target.to_vector() == std::vector<double>{3, 4, 5});
    CHECK_THROWS_WITH(loader.next(), "counting: sample 7 is broken");
    CHECK_THROWS_WITH(loader.next(), "counting: sample 7 is broken");
    CHECK(loader.state() == SamplerState{0, 6});
  }
}

TEST_CASE("workers run ahead by the prefetch and no further; an idle loader starts none") {
  const auto dataset = std::make_shared<const Counting>(1000);
  { const Loader idle(dataset, {.batch_size = 1, .workers = 4}); }
  CHECK(dataset->asked == 0);
  Loader loader(dataset, {.batch_size = 1, .workers = 2, .prefetch = 3});
  loader.next();
  for (int i = 0; i < 500 && dataset->asked < 7; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(dataset->asked == 7);  // the one taken and six ready
}

TEST_CASE("samples of a batch must agree; indices must be inside") {
  class Growing final : public Dataset {
   public:
    std::int64_t size() const override { return 3; }
    Sample sample(std::int64_t index) const override { return {zeros({index + 1}), zeros({})}; }
  };
  const std::int64_t both[] = {0, 1}, outside[] = {3};
  CHECK_THROWS_WITH(Growing().batch(both),
                    "dataset: all samples of a batch need the same shape and dtype: (1,) f32 first, then (2,) f32");
  CHECK_THROWS_WITH(Growing().batch(outside), "dataset: index must be in [0, 3), got 3");
  const TableSet table(zeros({2, 3}), zeros({2, 1}));
  CHECK_THROWS_AS(table.batch(outside), Error);
}

}  // namespace weft::data
