// Schedules against closed forms and against PyTorch's (the tables are printed by tests/golden/schedules.py).
#include "optim/schedule.h"

#include <cmath>
#include <numbers>

#include "core/error.h"
#include "tests/catch.h"

using namespace weft;
using namespace weft::optim;

namespace {

void check_table(const SchedulePointer& schedule, const std::vector<double>& expected) {
  for (std::size_t t = 0; t < expected.size(); ++t) {
    INFO("t = " << t);
    CHECK(schedule->factor(static_cast<double>(t)) == Approx(expected[t]).epsilon(1e-9).margin(1e-12));
  }
}

const std::vector<double> kLosses{1.0, 0.9, 0.9, 0.91, 0.89, 0.95, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9};

std::vector<double> watched(const SchedulePointer& schedule) {
  std::vector<double> factors;
  for (const double loss : kLosses) {
    factors.push_back(schedule->factor(0));
    schedule->observe(loss);
  }
  return factors;
}

}  // namespace

TEST_CASE("schedules equal PyTorch's", "[optim][O7]") {
  check_table(step(3, 0.5), {1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25});
  check_table(multistep({5, 2}, 0.1), {1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01});
  check_table(exponential(0.8), {1, 0.8, 0.64, 0.512, 0.4096, 0.32768});
  check_table(cosine(8, 0.1),
              {1, 0.9657457896, 0.8681980515, 0.7222075446, 0.55, 0.3777924554, 0.2318019485, 0.1342542104, 0.1});
  check_table(polynomial(6, 2), {1, 0.6944444444, 0.4444444444, 0.25, 0.1111111111, 0.02777777778, 0, 0});
  // PyTorch's top of a cycle of 10 steps lies at 0.3 * 10 - 1 of 10 - 1.
  check_table(one_cycle({.total = 9, .rising = 2.0 / 9}), {0.04, 0.52, 1, 0.950484632, 0.8117456539, 0.6112620219,
                                                           0.3887419781, 0.1882583461, 0.04951936799, 4e-06});
  check_table(warm_up(4, cosine(4), 0.25), {0.25, 0.4375, 0.625, 0.8125, 1, 0.8535533906, 0.5, 0.1464466094, 0});
  std::vector<SchedulePointer> both;
  both.push_back(exponential(0.9));
  both.push_back(step(2, 0.5));
  check_table(chained(std::move(both)), {1, 0.9, 0.405, 0.3645, 0.164025, 0.1476225});
}

TEST_CASE("plateau equals PyTorch's", "[optim][O7]") {
  CHECK(watched(plateau({.gamma = 0.5, .patience = 1, .cooldown = 1})) ==
        std::vector<double>{1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125});
  CHECK(watched(plateau({.gamma = 0.5, .patience = 2, .least = 0.2, .higher_is_better = true})) ==
        std::vector<double>{1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2});
}

TEST_CASE("StepLR(50, 0.8) follows its value table", "[optim][O7]") {
  const SchedulePointer schedule = step(50, 0.8);
  for (int epoch = 0; epoch < 500; ++epoch) {
    double expected = 0.3;
    for (int i = 0; i < epoch / 50; ++i) expected *= 0.8;
    REQUIRE(0.3 * schedule->factor(epoch) == Approx(expected).epsilon(1e-12));
  }
}

TEST_CASE("schedules follow their closed forms at fractions of t", "[optim][O7]") {
  const double t = GENERATE(0.0, 0.25, 1.5, 3.0, 6.99, 7.0, 9.5, 40.0);
  const double share = std::min(t / 10, 1.0);
  CHECK(constant()->factor(t) == 1);
  CHECK(cosine(10, 0.2)->factor(t) == Approx(0.2 + 0.8 * (1 + std::cos(std::numbers::pi * share)) / 2));
  CHECK(polynomial(10, 0.9, 0.1)->factor(t) == Approx(0.1 + 0.9 * std::pow(1 - share, 0.9)));
  CHECK(inverse_square_root()->factor(t) == Approx(1 / std::sqrt(t + 1)));
  CHECK(exponential(0.9, 0.5)->factor(t) == Approx(std::max(0.5, std::pow(0.9, t))));
  CHECK(warm_up(7, constant())->factor(t) == Approx(std::min(t / 7, 1.0)));
  std::vector<ScheduleStage> stages;
  stages.push_back({exponential(0.5), 3});
  stages.push_back({exponential(0.25), 4});
  stages.push_back({constant(), 0});
  const double expected = t < 3 ? std::pow(0.5, t) : t < 7 ? std::pow(0.25, t - 3) : 1;
  CHECK(sequence(std::move(stages))->factor(t) == Approx(expected));
}

TEST_CASE("a one-cycle schedule starts low, peaks at 1 and ends lower", "[optim][O7]") {
  const SchedulePointer schedule = one_cycle({.total = 100, .rising = 0.3, .start_factor = 0.1, .final_factor = 0.01});
  CHECK(schedule->factor(0) == Approx(0.1));
  CHECK(schedule->factor(15) == Approx(0.55));
  CHECK(schedule->factor(30) == Approx(1));
  CHECK(schedule->factor(65) == Approx(0.505));
  CHECK(schedule->factor(100) == Approx(0.01));
  CHECK(schedule->factor(1000) == Approx(0.01));
}

TEST_CASE("the state of plateau goes through warm_up and back", "[optim]") {
  const auto make = [] { return warm_up(2, plateau({.gamma = 0.5, .patience = 1, .cooldown = 1}), 0.1); };
  const SchedulePointer whole = make();
  SchedulePointer stopped = make();
  for (std::size_t i = 0; i < kLosses.size(); ++i) {
    const SchedulePointer resumed = make();
    resumed->load_state(stopped->state());
    whole->observe(kLosses[i]);
    resumed->observe(kLosses[i]);
    CHECK(resumed->factor(5) == whole->factor(5));
    stopped->observe(kLosses[i]);
  }
  CHECK(whole->factor(5) == Approx(0.125));
  CHECK_THROWS_WITH(stopped->load_state({1, 2}), contains("state is too short"));
  CHECK_THROWS_WITH(constant()->load_state({1}), contains("has no state"));
}

TEST_CASE("schedules are made by name", "[optim]") {
  CHECK(make_schedule({})->factor(12) == 1);
  CHECK(make_schedule({.name = "cosine", .total = 12, .warmup = 2})->factor(1) == Approx(0.5));
  CHECK(make_schedule({.name = "cosine", .total = 12, .warmup = 2})->factor(7) == Approx(0.5));
  CHECK(make_schedule({.name = "step", .every = 2, .gamma = 0.5})->factor(4) == Approx(0.25));
  CHECK_THROWS_WITH(make_schedule({.name = "cosin"}), contains("did you mean 'cosine'?"));
  CHECK_THROWS_WITH(make_schedule({.name = "cosine"}), contains("total time must be positive"));
  for (const std::string& name : schedule_names()) CHECK(make_schedule({.name = name, .total = 5})->factor(0) > 0);
}
