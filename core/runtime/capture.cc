#include "core/runtime/capture.h"

#include <utility>

#include "core/generator.h"
#include "core/log.h"
#include "core/ops/copy.h"

namespace weft {
namespace {

constinit thread_local std::uint64_t epoch = 0;

// Ends a recording also when the body throws.
class Recording {
 public:
  Recording(Device device, const std::uint64_t* advance)
      : device_(device), generator_(default_generator()), before_(generator_.next) {
    runtime(device_.kind).begin_capture(device_.index);
    generator_.advance = advance;
    ++epoch;
  }
  ~Recording() {
    ++epoch;
    generator_.advance = nullptr;
    generator_.next = before_;  // nothing has run, so nothing has been drawn
    if (open_) {
      try {
        runtime(device_.kind).destroy_graph(runtime(device_.kind).end_capture(device_.index));
      } catch (const std::exception&) {
        // What the body threw is what matters.
      }
    }
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  Graph end() {
    open_ = false;
    return runtime(device_.kind).end_capture(device_.index);
  }

 private:
  Device device_;
  Generator& generator_;
  std::uint64_t before_;
  bool open_ = true;
};

}  // namespace

std::uint64_t recording_epoch() { return epoch; }

CapturedStep::CapturedStep(Device device) : device_(device) {
  require(device.kind != DeviceKind::cpu, "capture", "the cpu records no steps; use --device cuda, or leave it out");
  advance_ = zeros({1}, {.dtype = DType::i64}).to(device);
}

CapturedStep::~CapturedStep() {
  if (!recorded()) return;
  try {
    runtime(device_.kind).destroy_graph(graph_);
  } catch (const std::exception& error) {  // of work that nobody has waited for
    warn(error.what());
  }
}

void CapturedStep::record(const std::function<void()>& body) {
  require(!recorded(), "capture", "a step is recorded once");
  seed_ = default_generator().seed;
  first_ = default_generator().next;
  const NoSync no_sync;
  Recording recording(device_, reinterpret_cast<const std::uint64_t*>(advance_.data<std::int64_t>()));
  body();
  streams_ = default_generator().next - first_;
  graph_ = recording.end();
}

void CapturedStep::replay() {
  require(recorded(), "capture", "there is no recorded step to replay");
  Generator& generator = default_generator();
  require(generator.seed == seed_, "capture", "the seed has changed since the step was recorded");
  if (streams_ > 0) {
    const auto moved = static_cast<std::int64_t>(generator.next - first_);
    const Stream stream = runtime(device_.kind).current_stream(device_.index);
    runtime(device_.kind).copy(advance_.raw(), device_, &moved, Device{}, sizeof moved, stream);
    generator.next += streams_;
  }
  ++epoch;
  runtime(device_.kind).replay(graph_, runtime(device_.kind).current_stream(device_.index));
}

}  // namespace weft
