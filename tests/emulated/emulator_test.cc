// What the emulator must catch, each by a small kernel that does it and, beside it, one that does not.
#include "kernels/emulation/emulation.h"

#include <cstdint>
#include <string>

#include "core/ops/copy.h"
#include "core/ops/elementwise.h"
#include "core/runtime/capture.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/warp.h"
#include "tests/catch.h"
#include "tests/variable.h"

using namespace weft;
using namespace weft::cuda::emulated;
using Catch::Matchers::Contains;

namespace {

constexpr Device kEmulated{DeviceKind::emulated, 0};

Tensor on_device(std::int64_t n) { return empty({n}, {.dtype = DType::f32, .device = kEmulated}); }

// The text of what is thrown when the device is waited for; empty when nothing is.
template <typename F>
std::string complaint(F&& submit) {
  try {
    submit();
    synchronize(kEmulated);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

struct WithOrder {
  explicit WithOrder(emulation::Order order) : before(emulation::options()) { emulation::options().order = order; }
  ~WithOrder() { emulation::options() = before; }
  emulation::Options before;
};

// y[i] = the value of the thread opposite: right only when the barrier is there.
template <bool Barrier>
__global__ void mirror(float* y) {
  SharedMemory shared;
  float* row = shared.array<float>(64);
  row[threadIdx.x] = float(threadIdx.x);
  if constexpr (Barrier) __syncthreads();
  y[threadIdx.x] = row[63 - threadIdx.x];
}

// y = the sum over rounds of the block's first value, which changes each round.
template <bool Barrier>
__global__ void reuse(int rounds, float* y) {
  SharedMemory shared;
  float* value = shared.array<float>(1);
  float sum = 0;
  for (int round = 0; round < rounds; ++round) {
    if (threadIdx.x == 0) *value = float(round);
    __syncthreads();
    sum += *value;
    if constexpr (Barrier) __syncthreads();
  }
  y[threadIdx.x] = sum;
}

template <bool Leave>
__global__ void shuffle(float* y) {
  if (Leave && threadIdx.x == 5) return;
  y[threadIdx.x] = __shfl_xor_sync(kAllLanes, float(threadIdx.x), 1);
}

template <int Kind>
__global__ void divergent(float* y) {
  if (Kind == 1 && threadIdx.x >= 32) return;  // some end, the others wait
  if (Kind == 2 && threadIdx.x % 2 == 0)
    __syncthreads();
  else
    __syncthreads();
  y[threadIdx.x] = 1;
}

__global__ void write_beyond(int n, float* y) {
  SharedMemory shared;
  float* first = shared.array<float>(32);
  float* second = shared.array<float>(32);
  second[threadIdx.x] = 0;
  if (threadIdx.x == 0) first[n] = 1;
  __syncthreads();
  y[threadIdx.x] = second[threadIdx.x];
}

// Where AddressSanitizer looks itself, the cases that use the next three are left out.
[[maybe_unused]] __global__ void write_far_beyond(int n, float* y) {
  SharedMemory shared;
  float* row = shared.array<float>(32);
  row[threadIdx.x] = 0;
  if (threadIdx.x == 0) row[32 + n] = 1;
  y[threadIdx.x] = row[threadIdx.x];
}
[[maybe_unused]] __global__ void read_beyond(int offset, float* y) {
  SharedMemory shared;
  float* row = shared.array<float>(64);
  row[threadIdx.x] = 0;
  __syncthreads();
  y[threadIdx.x] = row[int(threadIdx.x) + offset];
}
[[maybe_unused]] __global__ void move_values(int offset, const float* x, float* y) {
  y[int(threadIdx.x) + offset] = x[int(threadIdx.x) + offset];
}

__global__ void copy_values(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x] + 1; }

template <bool Wait>
__global__ void copy_late(const float* x, float* y) {
  SharedMemory shared;
  float* row = shared.array<float>(128);
  emulation::copy_later(row + 4 * threadIdx.x, x + 4 * threadIdx.x, 16, 0, emulation::Where::current());
  emulation::commit_copies();
  if constexpr (Wait) emulation::wait_for_copies(0);
  __syncthreads();
  for (int i = 0; i < 4; ++i) y[4 * threadIdx.x + i] = row[4 * threadIdx.x + i];
}

__global__ void packs(int offset, const float* x, float* y) {
  store_pack(y + 4 * threadIdx.x, load_pack<4>(x + 4 * threadIdx.x + offset));
}

const LaunchShape kTwoWarps{.blocks = 1, .threads = 64, .shared_bytes = 256};
const LaunchShape kOneWarp{.blocks = 1, .threads = 32, .shared_bytes = 512};

}  // namespace

TEST_CASE("a missing barrier before a read shows as memory that was never written") {
  const Tensor y = on_device(64);
  launch<mirror<true>>(kTwoWarps, stream_of(y), y.data<float>());
  CHECK(y.to_vector()[1] == 62);
  launch<mirror<false>>(kTwoWarps, stream_of(y), y.data<float>());
  CHECK_THROWS_WITH(y.to_vector(), Contains("never written") && Contains("mirror<false>") && Contains("f32 (64,)"));
}

TEST_CASE("a missing barrier before shared memory is used again shows as a wrong result") {
  const Tensor y = on_device(64);
  launch<reuse<true>>(kTwoWarps, stream_of(y), 4, y.data<float>());
  CHECK(y.to_vector() == std::vector<double>(64, 6));
  launch<reuse<false>>(kTwoWarps, stream_of(y), 4, y.data<float>());
  CHECK(y.to_vector() != std::vector<double>(64, 6));
}

TEST_CASE("a shuffle that names a lane which has ended is named with kernel, block, thread and place") {
  const Tensor y = on_device(32);
  CHECK(complaint([&] { launch<shuffle<false>>(kOneWarp, stream_of(y), y.data<float>()); }).empty());
  const std::string text = complaint([&] { launch<shuffle<true>>(kOneWarp, stream_of(y), y.data<float>()); });
  CHECK_THAT(text, Contains("shuffle<true>") && Contains("block (0, 0, 0)") && Contains("thread (") &&
                       Contains("emulator_test.cc:") && Contains("lane 5, which has ended"));
}

TEST_CASE("a barrier that not all threads reach is an error") {
  const Tensor y = on_device(64);
  const auto run = [&]<int Kind>() {
    return complaint([&] { launch<divergent<Kind>>(kTwoWarps, stream_of(y), y.data<float>()); });
  };
  CHECK(run.operator()<0>().empty());
  CHECK_THAT(run.operator()<1>(), Contains("__syncthreads") && Contains("has ended"));
  CHECK_THAT(run.operator()<2>(), Contains("waits at another one"));
}

TEST_CASE("a write beyond a shared array is an error, with and without sanitizers") {
  const Tensor y = on_device(32);
  CHECK(complaint([&] { launch<write_beyond>(kOneWarp, stream_of(y), 31, y.data<float>()); }).empty());
#if !defined(__SANITIZE_ADDRESS__)
  const std::string text = complaint([&] { launch<write_beyond>(kOneWarp, stream_of(y), 32, y.data<float>()); });
  CHECK_THAT(text, Contains("write_beyond") && Contains("beyond the end of shared array 0"));
#endif
}

TEST_CASE("more shared memory than the launch said is an error") {
  const Tensor y = on_device(32);
  const LaunchShape little{.blocks = 1, .threads = 32, .shared_bytes = 64};
  CHECK_THAT(complaint([&] { launch<write_beyond>(little, stream_of(y), 0, y.data<float>()); }),
             Contains("asks for 128 bytes of shared memory, the launch said 64"));
}

TEST_CASE("a write beyond a tensor is found when its memory is given back") {
#if !defined(__SANITIZE_ADDRESS__)
  Tensor y = on_device(63);
  CHECK_THAT(complaint([&] {
               launch<divergent<0>>(kTwoWarps, stream_of(y), y.data<float>());
               y = {};
             }),
             Contains("divergent<0>") && Contains("beyond the end"));
#endif
}

TEST_CASE("a write far beyond the last shared array, and a read beside one, are found") {
#if !defined(__SANITIZE_ADDRESS__)
  const Tensor y = on_device(64);
  const std::string text = complaint([&] { launch<write_far_beyond>(kOneWarp, stream_of(y), 1000, y.data<float>()); });
  CHECK_THAT(text, Contains("write_far_beyond") && Contains("wrote 4001 bytes beyond the end of shared array 0"));
  launch<read_beyond>(kTwoWarps, stream_of(y), 0, y.data<float>());
  CHECK(y.to_vector() == std::vector<double>(64, 0));
  for (const int offset : {1, -1}) {
    launch<read_beyond>(kTwoWarps, stream_of(y), offset, y.data<float>());
    CHECK_THROWS_WITH(y.to_vector(), Contains("lay beyond an array") && Contains("read_beyond"));
  }
#endif
}

TEST_CASE("a write before or behind a tensor is found, also of what was read before or behind another") {
#if !defined(__SANITIZE_ADDRESS__)
  for (const int offset : {-1, 1, -64, 64}) {
    INFO(offset);
    const std::string wanted = offset < 0 ? "wrote before the beginning" : "wrote beyond the end";
    const Tensor x = arange(64).to(kEmulated);
    Tensor y = x.clone();
    launch<move_values>(kTwoWarps, stream_of(y), offset, x.data<float>(), y.data<float>());
    CHECK_THROWS_WITH(y.to_vector(), Contains("move_values") && Contains(wanted));
    CHECK_THAT(complaint([&] { y = {}; }), Contains(wanted));
  }
#endif
}

TEST_CASE("what was read before or behind a tensor is named in what was computed from it") {
#if !defined(__SANITIZE_ADDRESS__)
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i32, DType::i64, DType::u8})
    for (const bool before : {false, true}) {
      INFO(message(dtype, " ", before));
      const Tensor x = ones({128}, {.dtype = dtype}).to(kEmulated), y = x.clone();
      const std::ptrdiff_t beyond = before ? -32 : std::ptrdiff_t(x.bytes() / 4);
      launch<move_values>(kOneWarp, stream_of(y), 0, static_cast<const float*>(x.raw()) + beyond,
                          static_cast<float*>(y.raw()));
      CHECK_THROWS_WITH(y.to_vector(), Contains("element 0 of ") && Contains("lay beyond an array"));
      if (!is_floating(dtype)) continue;
      const Tensor z = y * 0.5;
      CHECK_THROWS_WITH(z.to_vector(), Contains("lay beyond an array"));
    }
#endif
}

TEST_CASE("memory that nobody wrote is named when the host reads it") {
  CHECK_THROWS_WITH(on_device(3).to_vector(), Contains("never written") && Contains("no kernel wrote to it"));
  const Tensor x = on_device(64), y = on_device(64);
  launch<copy_values>(kTwoWarps, stream_of(y), x.data<float>(), y.data<float>());
  CHECK_THROWS_WITH(y.to_vector(), Contains("last kernel to write to it was copy_values"));
}

TEST_CASE("an asynchronous copy that nobody waited for has not landed") {
  const Tensor x = arange(128).to(kEmulated), y = on_device(128);
  launch<copy_late<true>>(kOneWarp, stream_of(y), x.data<float>(), y.data<float>());
  CHECK(y.to_vector()[100] == 100);
  launch<copy_late<false>>(kOneWarp, stream_of(y), x.data<float>(), y.data<float>());
  CHECK_THROWS_WITH(y.to_vector(), Contains("never written"));
}

TEST_CASE("a misaligned access of 16 bytes is an error") {
  const Tensor x = arange(256).to(kEmulated), y = on_device(128);
  CHECK(complaint([&] { launch<packs>(kOneWarp, stream_of(y), 4, x.data<float>(), y.data<float>()); }).empty());
  CHECK_THAT(complaint([&] { launch<packs>(kOneWarp, stream_of(y), 1, x.data<float>(), y.data<float>()); }),
             Contains("misaligned") && Contains("packs"));
}

TEST_CASE("a launch beyond the limits of a device is an error") {
  const Tensor y = on_device(32);
  const auto run = [&](LaunchShape shape) {
    return complaint([&] { launch<shuffle<false>>(shape, stream_of(y), y.data<float>()); });
  };
  CHECK_THAT(run({.blocks = 1, .threads = 1056}), Contains("more than a device takes"));
  CHECK_THAT(run({.blocks = dim3(1, 65536), .threads = 32}), Contains("more than a device takes"));
  CHECK_THAT(run({.blocks = 1, .threads = 32, .shared_bytes = 228 * 1024}), Contains("shared memory"));
  CHECK(run({.blocks = 0, .threads = 32}).empty());
}

TEST_CASE("a recorded step goes without a throw when work that nobody has waited for is wrong") {
  const Tensor y = on_device(32);
  CHECK(complaint([&] {
          CapturedStep step(kEmulated);
          step.record([&] { fill_(y, 1); });
          launch<shuffle<true>>(kOneWarp, stream_of(y), y.data<float>());
        }).empty());
}

TEST_CASE("work of another stream has not happened before somebody waits for it") {
  Runtime& device = runtime(DeviceKind::emulated);
  const Stream first = device.current_stream(0), second = device.create_stream(0);
  const Event done = device.create_event(0);
  const Tensor x = on_device(64), y = on_device(64), z = on_device(64);
  synchronize(kEmulated);
  fill_(x, 1);
  device.record(done, first);
  device.set_current_stream(0, second);
  launch<copy_values>(kTwoWarps, stream_of(y), x.data<float>(), y.data<float>());  // without waiting
  device.set_current_stream(0, first);
  synchronize(kEmulated);
  CHECK_THROWS_WITH(y.to_vector(), Contains("never written") && Contains("copy_values"));
  fill_(x, 2);
  device.record(done, first);
  device.wait(second, done);
  device.set_current_stream(0, second);
  launch<copy_values>(kTwoWarps, stream_of(z), x.data<float>(), z.data<float>());
  device.set_current_stream(0, first);
  CHECK(z.to_vector() == std::vector<double>(64, 3));
  device.destroy_event(done);
  device.destroy_stream(second);
}

TEST_CASE("a tensor that was freed holds poison, also when the caching allocator keeps its memory") {
#if !defined(__SANITIZE_ADDRESS__)
  Tensor x = on_device(64);
  fill_(x, 1);
  const float* dangling = x.data<float>();
  x = {};
  const Tensor y = on_device(64);
  launch<copy_values>(kTwoWarps, stream_of(y), dangling, y.data<float>());
  CHECK_THROWS_WITH(y.to_vector(), Contains("never written"));
#endif
}

TEST_CASE("every order of threads gives the same result where nothing is wrong") {
  for (const emulation::Order order :
       {emulation::Order::forward, emulation::Order::reverse, emulation::Order::shuffled}) {
    const WithOrder guard(order);
    const Tensor y = on_device(64);
    launch<reuse<true>>(kTwoWarps, stream_of(y), 4, y.data<float>());
    CHECK(y.to_vector() == std::vector<double>(64, 6));
  }
}
