#include "tools/kernel_times.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace weft::tools {

KernelTimes::~KernelTimes() {
  for (const Event event : events_) runtime(device_.kind).destroy_event(event);
}

Event KernelTimes::event(std::size_t number) {
  if (number == events_.size()) events_.push_back(runtime(device_.kind).create_event(device_.index));
  return events_[number];
}

void KernelTimes::called(const KernelCall& call) {
  if (call.device != device_) return;
  Runtime& on = runtime(device_.kind);
  on.record(event(calls_.size()), on.current_stream(device_.index));
  calls_.push_back({call.slot, call.candidate, call.cost});
}

void KernelTimes::end_step() {
  Runtime& on = runtime(device_.kind);
  on.record(event(calls_.size()), on.current_stream(device_.index));
  on.synchronize(device_.index);
  std::vector<double> ms;
  for (std::size_t i = 0; i < calls_.size(); ++i) ms.push_back(on.elapsed_ms(events_[i], events_[i + 1]));
  if (steps_.empty()) first_ = calls_;
  ensure(calls_.size() == first_.size(), "every step makes the calls of the first");
  steps_.push_back(std::move(ms));
  calls_.clear();
}

std::vector<KernelTime> KernelTimes::times() const {
  std::vector<KernelTime> out;
  std::vector<std::vector<double>> sums;  // of each entry, ms per step
  std::map<std::tuple<std::string_view, std::string_view, double, double>, std::size_t> known;
  for (std::size_t i = 0; i < first_.size(); ++i) {
    const Call& call = first_[i];
    const auto [at, fresh] =
        known.emplace(std::tuple(call.slot, call.candidate, call.cost.macs, call.cost.bytes), out.size());
    if (fresh) {
      out.push_back({std::string(call.slot), std::string(call.candidate), call.cost});
      sums.emplace_back(steps_.size());
    }
    ++out[at->second].calls;
    for (std::size_t step = 0; step < steps_.size(); ++step) sums[at->second][step] += steps_[step][i];
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto middle = sums[i].begin() + static_cast<std::ptrdiff_t>(sums[i].size() / 2);
    std::ranges::nth_element(sums[i], middle);
    out[i].ms = *middle;
  }
  std::ranges::sort(out, std::greater(), &KernelTime::ms);
  return out;
}

}  // namespace weft::tools
