// KernelTimes: where the time of a device goes, kernel call by kernel call, by events of the device's own clock between
// the calls; needs no profiler. Work outside all slots, such as a copy, is charged to the call before it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/kernel_slot.h"
#include "core/runtime/runtime.h"

namespace weft::tools {

// Calls of one candidate with one size, over all steps that were listened to.
struct KernelTime {
  std::string slot, candidate;
  Cost cost;               // of one call
  std::int64_t calls = 0;  // a step
  double ms = 0;           // a step, of all of them: the median over steps
};

class KernelTimes final : public KernelObserver {
 public:
  explicit KernelTimes(Device device) : device_(device) {}
  ~KernelTimes() override;
  void called(const KernelCall& call) override;
  // Ends a step and waits for the device. Steps are alike: each makes the calls of the first.
  void end_step();
  // By falling time.
  std::vector<KernelTime> times() const;

 private:
  struct Call {
    std::string_view slot, candidate;  // names that live as long as the process
    Cost cost;
  };
  Event event(std::size_t number);

  Device device_;
  std::vector<Event> events_;               // one per call of a step and one for its end
  std::vector<Call> calls_;                 // of the step that runs
  std::vector<Call> first_;                 // of the first
  std::vector<std::vector<double>> steps_;  // ms per call
};

}  // namespace weft::tools
