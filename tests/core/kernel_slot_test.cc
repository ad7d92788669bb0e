// Choice of candidates: rank, refusal, forcing, observers and words. The slots here are the test's own.

#include "core/kernel_slot.h"

#include "core/tensor.h"
#include "tests/catch.h"

using namespace weft;

namespace {

std::string chosen;

constinit KernelSlot<void(const Tensor&, int)> slot{
    "test_slot", [](const Tensor& x, int) { return Cost{.flops = double(x.elements())}; }};
constinit KernelSlot<void(const Tensor&, const Tensor&)> empty_slot{"empty_slot"};

const bool registered[] = {
    slot.add({.device = DeviceKind::cpu,
              .name = "cpu.plain",
              .rank = 100,
              .refuse = [](const Tensor&, int n) -> std::string { return n > 100 ? "n > 100" : ""; },
              .run = [](const Tensor&, int) { chosen = "cpu.plain"; }}),
    slot.add({.device = DeviceKind::cpu,
              .name = "cpu.even",
              .rank = 10,
              .refuse = [](const Tensor&, int n) -> std::string { return n % 2 ? message("n = ", n, " is odd") : ""; },
              .run = [](const Tensor&, int) { chosen = "cpu.even"; }}),
    slot.add({.device = DeviceKind::cpu,
              .name = "cpu.also_plain",
              .rank = 100,
              .refuse = [](const Tensor&, int n) -> std::string { return n > 100 ? "n is large" : ""; },
              .run = [](const Tensor&, int) { chosen = "cpu.also_plain"; }}),
};

}  // namespace

TEST_CASE("the first candidate by rank, then by name, that does not refuse runs") {
  CHECK(slot.candidates(DeviceKind::cpu) == std::vector<std::string>{"cpu.even", "cpu.also_plain", "cpu.plain"});
  const Tensor x = empty({3});
  slot(x, 2);
  CHECK(chosen == "cpu.even");
  slot(x, 3);
  CHECK(chosen == "cpu.also_plain");
}

TEST_CASE("a call that nobody accepts prints every refusal") {
  CHECK_THROWS_WITH(slot(empty({3}), 101),
                    "test_slot: no kernel for cpu; cpu.even refuses: n = 101 is odd; "
                    "cpu.also_plain refuses: n is large; cpu.plain refuses: n > 100");
  CHECK_THROWS_WITH(empty_slot(empty({1}), empty({1})), "empty_slot: no kernel for cpu");
}

TEST_CASE("a forced candidate runs or refuses; it never falls back") {
  const Tensor x = empty({3});
  force_kernel("test_slot", "plain");
  slot(x, 2);
  CHECK(chosen == "cpu.plain");
  force_kernel("test_slot", "cpu.even");
  CHECK_THROWS_WITH(slot(x, 3), "test_slot: the forced kernel cannot take this call; cpu.even refuses: n = 3 is odd");
  CHECK_THROWS_WITH(force_kernel("test_slot", "gone"),
                    "test_slot: has no candidate 'gone'; it has cpu.even, cpu.also_plain, cpu.plain");
  CHECK_THROWS_WITH(force_kernel("nowhere", "x"), "force_kernel: no kernel slot is called 'nowhere'");
  force_kernel("test_slot", "");
  slot(x, 3);
  CHECK(chosen == "cpu.also_plain");
}

TEST_CASE("observers hear slot, candidate and cost of the calls of their thread") {
  struct Recorder final : KernelObserver {
    std::vector<std::string> heard;
    double flops = 0;
    void called(const KernelCall& call) override {
      heard.push_back(message(call.slot, "/", call.candidate));
      flops += call.cost.flops;
    }
  };
  Recorder recorder;
  slot(empty({5}), 3);
  slot(empty({7}), 4);
  CHECK(recorder.heard == std::vector<std::string>{"test_slot/cpu.also_plain", "test_slot/cpu.even"});
  CHECK(recorder.flops == 12);
}
