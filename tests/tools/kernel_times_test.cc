#include "tools/kernel_times.h"

#include "core/ops/elementwise.h"
#include "core/ops/matmul.h"
#include "tests/catch.h"

using namespace weft;

TEST_CASE("kernel times: calls of equal size are one entry, with the calls and the cost of a step") {
  const Tensor a = ones({200, 300}), b = ones({300, 100}), small = ones({2, 3}), other = ones({3, 2});
  tools::KernelTimes times(Device{});
  for (int step = 0; step < 3; ++step) {
    matmul(a, b);
    matmul(a, b);
    matmul(small, other);
    relu(a);
    times.end_step();
  }
  const std::vector<tools::KernelTime> all = times.times();
  REQUIRE(all.size() == 3);
  CHECK(all[0].slot == "matmul_forward");
  CHECK(all[0].calls == 2);
  CHECK(all[0].cost.macs == 200.0 * 300 * 100);
  CHECK(all[0].cost.bytes == 4.0 * (200 * 300 + 300 * 100 + 200 * 100));
  for (const tools::KernelTime& kernel : all) {
    CHECK(kernel.ms > 0);
    CHECK(kernel.ms <= all[0].ms);
    CHECK(!kernel.candidate.empty());
    if (kernel.slot == "unary_forward") CHECK(kernel.cost.bytes == 4.0 * 2 * 200 * 300);
  }
}

TEST_CASE("kernel times: a step that makes other calls than the first is an error") {
  const Tensor a = ones({4});
  tools::KernelTimes times(Device{});
  relu(a);
  times.end_step();
  relu(a), relu(a);
  CHECK_THROWS_AS(times.end_step(), Error);
}
