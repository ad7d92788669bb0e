// Parallel loops: every part once, exceptions of the lowest part, the same result at any number of threads.

#include "core/parallel.h"

#include <atomic>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "tests/catch.h"

using namespace weft;

TEST_CASE("each part and each element is visited once") {
  for (const int n : {0, 1, 2, 7, 64, 1001}) {
    std::vector<std::atomic<int>> seen(static_cast<std::size_t>(n));
    parallel_parts(n, [&](std::int64_t part) { ++seen[static_cast<std::size_t>(part)]; });
    parallel_for(n, 10, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
    });
    for (const auto& count : seen) CHECK(count == 2);
  }
}

TEST_CASE("the exception of the lowest throwing part reaches the caller") {
  CHECK_THROWS_WITH(parallel_parts(8, [](std::int64_t part) { require(part < 3, "part", part); }), "part: 3");
}

TEST_CASE("loops inside a part run on its thread") {
  std::atomic<int> runs{0};
  parallel_parts(4, [&](std::int64_t) { parallel_parts(4, [&](std::int64_t) { ++runs; }); });
  CHECK(runs == 16);
}

TEST_CASE("the number of threads can be set and must be sensible") {
  const int before = threads();
  set_threads(1);
  CHECK(threads() == 1);
  set_threads(before);
  CHECK_THROWS_AS(set_threads(0), Error);
}
