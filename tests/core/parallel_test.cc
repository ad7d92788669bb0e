// Parallel loops: every part once, exceptions of the lowest part, the same result at any number of threads.

#include "core/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
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

TEST_CASE("threads of the program that loop at the same time all get their parts done") {
  std::atomic<long> total{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int loop = 0; loop < 2000; ++loop) parallel_parts(7, [&](std::int64_t part) { total += part; });
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(total == 4L * 2000 * 21);
}

TEST_CASE("more threads than cores, loops after a pause, and fewer threads again") {
  const int before = threads();
  for (const int n : {7, 3, 1, 5}) {
    set_threads(n);
    for (int loop = 0; loop < 50; ++loop) {
      std::vector<int> seen(100);
      parallel_parts(100, [&](std::int64_t part) { ++seen[static_cast<std::size_t>(part)]; });
      REQUIRE(std::accumulate(seen.begin(), seen.end(), 0) == 100);
      if (loop % 10 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // helpers fall asleep
    }
  }
  set_threads(before);
}
