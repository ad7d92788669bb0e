// Recorded and replayed work on the emulated device: the same bits as running it, and nothing that must not be
// recorded.
#include "core/runtime/capture.h"

#include <cuda_runtime_api.h>

#include <optional>

#include "core/generator.h"
#include "core/ops/copy.h"
#include "core/ops/dropout.h"
#include "core/ops/elementwise.h"
#include "core/ops/matmul.h"
#include "tests/catch.h"

using namespace weft;
using Catch::Matchers::Contains;

namespace {

constexpr Device kEmulated{DeviceKind::emulated, 0};

std::size_t reserved_when_idle() {
  Allocator& allocator = runtime(DeviceKind::emulated).allocator(0);
  allocator.release_cached();
  return allocator.statistics().reserved_bytes;
}

}  // namespace

TEST_CASE("a replay works on what its inputs hold then, and draws random numbers as running would") {
  const Tensor x = arange(1000).to(kEmulated), expected_x = arange(1000).to(kEmulated);
  Tensor y;
  const auto body = [](const Tensor& in) {
    return dropout(in * 2 + 1, 0.5, default_generator().fresh(RandomPurpose::dropout));
  };
  manual_seed(7);
  std::vector<std::vector<double>> wanted;
  for (int i = 0; i < 3; ++i) {
    fill_(expected_x, i + 1);
    wanted.push_back(body(expected_x).to_vector());
  }
  const std::uint64_t drawn = default_generator().next;
  manual_seed(7);
  CapturedStep step(kEmulated);
  step.record([&] { y = body(x); });
  CHECK(default_generator().next == 0);
  for (int i = 0; i < 3; ++i) {
    fill_(x, i + 1);
    step.replay();
    CHECK(y.to_vector() == wanted[static_cast<std::size_t>(i)]);
  }
  CHECK(default_generator().next == drawn);
  CHECK(wanted[0] != wanted[1]);
}

TEST_CASE("memory of a recorded step belongs to it: others do not get it between replays") {
  const Tensor x = arange(64).to(kEmulated);
  Tensor y;
  CapturedStep step(kEmulated);
  step.record([&] {
    Tensor t = x + 1;
    for (int i = 0; i < 5; ++i) t = t * 2;
    y = t;
  });
  const std::vector<double> wanted = ((x + 1) * 32).to_vector();
  for (int i = 0; i < 3; ++i) {
    std::vector<Tensor> others;
    for (int k = 0; k < 20; ++k) others.push_back(full({64}, -1, {.device = kEmulated}));
    step.replay();
    CHECK(y.to_vector() == wanted);
    for (const Tensor& other : others) CHECK(other.to_vector() == std::vector<double>(64, -1));
  }
}

TEST_CASE("a tensor freed while a step is recorded stays where it is until the step goes") {
  Tensor weight = full({64}, 3, {.device = kEmulated});
  Tensor y;
  {
    CapturedStep step(kEmulated);
    step.record([&] {
      y = weight * 2;
      weight = {};
    });
    std::vector<Tensor> others;
    for (int k = 0; k < 20; ++k) others.push_back(full({64}, -1, {.device = kEmulated}));
    step.replay();
    CHECK(y.to_vector() == std::vector<double>(64, 6));
  }
  CHECK(full({64}, 5, {.device = kEmulated}).to_vector() == std::vector<double>(64, 5));
}

TEST_CASE("what cannot be recorded is refused, and the device goes on working") {
  const Tensor x = arange(8).to(kEmulated);
  CapturedStep step(kEmulated);
  CHECK_THROWS_WITH(step.record([&] { x.to_vector(); }), Contains("NoSync"));
  CHECK_THROWS_WITH(step.record([&] { arange(4).to(kEmulated); }), Contains("while a graph is captured"));
  CHECK_THROWS_WITH(step.replay(), Contains("no recorded step"));
  CHECK((x + 1).to_vector()[7] == 8);
  step.record([&] { fill_(x, 4); });
  step.replay();
  CHECK(x.to_vector()[3] == 4);
  CHECK_THROWS_WITH(CapturedStep(Device{}), Contains("the cpu records no steps"));
}

TEST_CASE("calls that a capture cannot see are refused and lose it, unless the thread says that no replay needs them") {
  const auto stream = static_cast<cudaStream_t>(runtime(DeviceKind::emulated).current_stream(0).handle);
  synchronize(kEmulated);
  for (const bool relaxed : {false, true}) {
    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    cudaStreamCaptureMode mode = relaxed ? cudaStreamCaptureModeRelaxed : cudaStreamCaptureModeGlobal;
    cudaThreadExchangeStreamCaptureMode(&mode);
    void* memory = nullptr;
    CHECK(cudaMalloc(&memory, 512) == (relaxed ? cudaSuccess : cudaErrorStreamCaptureUnsupported));
    cudaThreadExchangeStreamCaptureMode(&mode);
    cudaGraph_t graph = nullptr;
    CHECK(cudaStreamEndCapture(stream, &graph) == (relaxed ? cudaSuccess : cudaErrorStreamCaptureInvalidated));
    CHECK((graph != nullptr) == relaxed);
    if (graph) cudaGraphDestroy(graph);
    cudaFree(memory);
  }
}

TEST_CASE("memory of a capture that is lost is ordinary memory again") {
  const Tensor x = arange(64).to(kEmulated);
  const std::size_t before = reserved_when_idle();
  {
    CapturedStep step(kEmulated);
    Tensor y;
    CHECK_THROWS_WITH(step.record([&] {
      y = x * 2;
      void* memory = nullptr;
      cudaMalloc(&memory, 512);  // refused
    }),
                      Contains("the end of a capture: operation failed due to a previous error"));
  }
  CHECK(reserved_when_idle() == before);
  CHECK((x + 1).to_vector()[7] == 8);
}

TEST_CASE("memory of one step that was freed while another was recorded goes with both") {
  const Tensor x = arange(64).to(kEmulated);
  const std::size_t before = reserved_when_idle();
  std::optional<CapturedStep> first, second;
  Tensor y, z;
  first.emplace(kEmulated);
  first->record([&] { y = x * 2; });
  second.emplace(kEmulated);
  second->record([&] {
    z = y + 1;
    y = {};
  });
  first->replay();
  second->replay();
  CHECK(z.to_vector()[5] == 11);
  first.reset();
  z = {};
  second.reset();
  CHECK(reserved_when_idle() == before);
}

TEST_CASE("memory that steps before a recording used is not kept beside the recorded step's") {
  const auto work = [] { return full({8 << 20}, 1, {.device = kEmulated}) * 2; };
  reserved_when_idle();
  work();
  const std::size_t used = runtime(DeviceKind::emulated).allocator(0).statistics().reserved_bytes;
  CapturedStep step(kEmulated);
  step.record([&] { work(); });
  CHECK(runtime(DeviceKind::emulated).allocator(0).statistics().reserved_bytes < used + (4 << 20));
}
