// What one op costs the host: nanoseconds per add on one element without a graph, with a graph, and forward + backward.
// Prints one JSON object with the medians over rounds. An argument names the device (cpu); what is queued there is
// waited for between rounds, outside the time, and the rounds are short enough for a GPU's queue.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "core/parallel.h"
#include "core/runtime/runtime.h"

using namespace weft;

namespace {

constexpr int kRounds = 25;

template <typename Body>
double median_ns(Device device, Body&& body) {
  const int calls = device.kind == DeviceKind::cpu ? 4000 : 200;
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    synchronize(device);
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) body();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    rounds.push_back(took.count() / calls);
  }
  std::nth_element(rounds.begin(), rounds.begin() + kRounds / 2, rounds.end());
  return rounds[kRounds / 2];
}

}  // namespace

int main(int count, char** arguments) {
  const Device device = count > 1 ? parse_device(arguments[1]) : Device{};
  const auto one = [device](double value) { return full({1}, value, {.device = device}); };
  const Tensor a = one(1), b = one(2), w = one(3), dy = one(1);
  w.set_requires_grad();
  const double plain = median_ns(device, [&] { add(a, b); });
  const double graph = median_ns(device, [&] { add(a, w); });
  const double both = median_ns(device, [&] {
    w.zero_grad();
    add(a, w).backward(dy);
  });
  std::printf("{\"add_ns\": %.0f, \"add_with_graph_ns\": %.0f, \"add_forward_backward_ns\": %.0f}\n", plain, graph,
              both);
}
