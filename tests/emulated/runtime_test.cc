// The CUDA runtime's own code, run on the emulated device: allocator, staging, streams and events.
#include "core/runtime/runtime.h"

#include <cstring>
#include <vector>

#include "core/ops/copy.h"
#include "core/profile.h"
#include "kernels/cuda/driver.h"
#include "tests/catch.h"

using namespace weft;
using Catch::Matchers::Contains;

namespace {

constexpr Device kEmulated{DeviceKind::emulated, 0};

Runtime& device() { return runtime(DeviceKind::emulated); }
Allocator& allocator() { return device().allocator(0); }
MemoryStatistics memory() { return allocator().statistics(); }

Tensor bytes_on_device(std::int64_t bytes) { return empty({bytes}, {.dtype = DType::u8, .device = kEmulated}); }

}  // namespace

TEST_CASE("freed memory is handed out again without asking the device") {
  allocator().release_cached();
  { const Tensor x = bytes_on_device(3 << 20); }
  const std::size_t reserved = memory().reserved_bytes;
  REQUIRE(reserved > 0);
  for (int i = 0; i < 10; ++i) bytes_on_device(3 << 20);
  CHECK(memory().reserved_bytes == reserved);
}

TEST_CASE("blocks are split, and free neighbours join again") {
  allocator().release_cached();
  const std::size_t before = memory().reserved_bytes;
  std::vector<Tensor> parts;
  for (int i = 0; i < 8; ++i) parts.push_back(bytes_on_device(3 << 20));
  const std::size_t reserved = memory().reserved_bytes;
  CHECK(reserved - before == std::size_t{32} << 20);  // all of one segment
  // Freed in an order that needs joining to both sides.
  for (const int i : {1, 3, 5, 7, 0, 2, 4, 6}) parts[static_cast<std::size_t>(i)] = {};
  const Tensor large = bytes_on_device(15 << 20), second = bytes_on_device(15 << 20);
  CHECK(memory().reserved_bytes == reserved);
}

TEST_CASE("live and peak bytes follow what is held") {
  const std::size_t live = memory().live_bytes;
  allocator().reset_peak();
  {
    const Tensor a = bytes_on_device(1 << 20);
    { const Tensor b = bytes_on_device(2 << 20); }
    CHECK(memory().live_bytes >= live + (1 << 20));
    CHECK(memory().live_bytes < live + (2 << 20));
  }
  CHECK(memory().live_bytes == live);
  CHECK(memory().peak_bytes >= live + (3 << 20));
  CHECK(memory().peak_bytes < live + (4 << 20));
}

TEST_CASE("running out of memory says how much there is and who holds it") {
  const std::size_t total = device().facts(0).memory_bytes;
  std::vector<Tensor> held;
  {
    const LayerScope layer("a greedy layer");
    held.push_back(bytes_on_device(static_cast<std::int64_t>(total / 2)));
  }
  held.push_back(bytes_on_device(static_cast<std::int64_t>(total / 4)));
  try {
    bytes_on_device(static_cast<std::int64_t>(total / 2));
    FAIL("there was room");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::out_of_memory);
    CHECK_THAT(error.what(), Contains("no room for") && Contains("emulated:0") &&
                                 Contains("largest holders: a greedy layer") && Contains("outside layers"));
  }
  held.clear();
  CHECK_NOTHROW(bytes_on_device(static_cast<std::int64_t>(total / 2)));  // kept memory is given up for it
  allocator().release_cached();
}

TEST_CASE("an upload of any size leaves the host's memory free at once") {
  for (const std::int64_t n : {1, 4095, (4 << 20) - 1, (4 << 20) + 1, 40'000'003}) {
    Tensor host = zeros({n}, {.dtype = DType::u8});
    for (std::int64_t i = 0; i < n; ++i) host.values<std::uint8_t>()[static_cast<std::size_t>(i)] = std::uint8_t(i * 7);
    const Tensor there = host.to(kEmulated);
    std::memset(host.raw(), 0, static_cast<std::size_t>(n));  // before anybody has waited
    const Tensor back = there.to(Device{});
    bool same = true;
    for (std::int64_t i = 0; i < n; ++i)
      same = same && back.values<std::uint8_t>()[static_cast<std::size_t>(i)] == std::uint8_t(i * 7);
    CHECK(same);
  }
}

TEST_CASE("waiting for the device is an error under NoSync, work is not") {
  const Tensor x = arange(5).to(kEmulated);
  const NoSync guard;
  const Tensor y = empty({5}, {.dtype = DType::f32, .device = kEmulated});
  fill_(y, 3);
  CHECK_NOTHROW(arange(7).to(kEmulated));
  CHECK_THROWS_WITH(x.to(Device{}), Contains("NoSync"));
  CHECK_THROWS_WITH(y.select(0, 1).item(), Contains("NoSync"));
  CHECK_THROWS_WITH(synchronize(kEmulated), Contains("NoSync"));
}

TEST_CASE("events measure time, and make one stream wait for another") {
  const Stream first = device().current_stream(0), second = device().create_stream(0);
  const Event begin = device().create_event(0), end = device().create_event(0);
  const Tensor x = empty({1000}, {.dtype = DType::f32, .device = kEmulated});
  device().record(begin, first);
  fill_(x, 2);
  device().record(end, first);
  device().wait(second, end);
  device().set_current_stream(0, second);
  const Tensor y = x.clone();
  device().set_current_stream(0, first);
  CHECK(y.to_vector() == std::vector<double>(1000, 2));
  CHECK(device().elapsed_ms(begin, end) >= 0);
  device().destroy_event(begin);
  device().destroy_event(end);
  device().destroy_stream(second);
}

TEST_CASE("a device that is not there is named") {
  CHECK_THROWS_WITH(device().allocator(3), Contains("there is no emulated:3; this machine has 1"));
}

TEST_CASE("a driver must be of 12.4 at least, and of the major version of the module's CUDA") {
  CHECK(cuda::oldest_driver(12040) == 12040);
  CHECK(cuda::oldest_driver(12090) == 12040);
  CHECK(cuda::oldest_driver(13000) == 13000);
  CHECK(cuda::oldest_driver(13010) == 13000);
}
