// What one op costs besides its kernel: nanoseconds per add on one element without a graph, with a graph, and forward
// + backward. Prints one JSON object with the medians over rounds.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "core/parallel.h"

using namespace weft;

namespace {

constexpr int kRounds = 25;
constexpr int kCalls = 4000;

template <typename Body>
double median_ns(Body&& body) {
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kCalls; ++i) body();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    rounds.push_back(took.count() / kCalls);
  }
  std::nth_element(rounds.begin(), rounds.begin() + kRounds / 2, rounds.end());
  return rounds[kRounds / 2];
}

}  // namespace

int main() {
  const Tensor a = full({1}, 1), b = full({1}, 2), w = full({1}, 3), dy = full({1}, 1);
  w.set_requires_grad();
  const double plain = median_ns([&] { add(a, b); });
  const double graph = median_ns([&] { add(a, w); });
  const double both = median_ns([&] {
    w.zero_grad();
    add(a, w).backward(dy);
  });
  std::printf("{\"add_ns\": %.0f, \"add_with_graph_ns\": %.0f, \"add_forward_backward_ns\": %.0f}\n", plain, graph,
              both);
}
