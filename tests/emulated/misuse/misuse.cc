// Runs kernels of the emulated device as tests/emulated/mutants_test.py asks, rightly (fill, copies through tiles), or
// against the rules of streams and memory, in ways that the public interface allows. Prints the first line of what goes
// wrong and exits with 1.

#include <cstdio>
#include <cstring>
#include <string_view>

#include "core/ops/copy.h"
#include "core/runtime/runtime.h"
#include "core/tensor.h"

using namespace weft;

namespace {

constexpr Device kEmulated{DeviceKind::emulated, 0};

Tensor device_full(std::int64_t n, double value) { return full({n}, value, {.device = kEmulated}); }

bool equal(const Tensor& device, const Tensor& wanted) { return device.to_vector() == wanted.to_vector(); }

// More tiles than there are blocks, so that a block uses its shared memory again.
bool copies_through_tiles() {
  constexpr std::int64_t side = 300;
  const Tensor x = empty({side, side});
  for (std::int64_t i = 0; i < x.elements(); ++i) x.data<float>()[i] = static_cast<float>(i);
  return equal(x.to(kEmulated).transpose().contiguous(), x.transpose().contiguous());
}

bool fills() { return equal(device_full(1001, 2.5), full({1001}, 2.5)); }

bool copies() {
  const Tensor x = device_full(1001, 2.5), y = empty_like(x);
  copy_(y, x);
  return equal(y, full({1001}, 2.5));
}

// Reads on one stream what another one has been asked to write, and waits for neither.
bool reads_another_stream() {
  Runtime& on = runtime(DeviceKind::emulated);
  const Stream writer = on.create_stream(0), reader = on.create_stream(0), before = on.current_stream(0);
  const Tensor x = empty({1000}, {.device = kEmulated}), y = empty_like(x);
  on.set_current_stream(0, writer);
  fill_(x, 3);
  on.set_current_stream(0, reader);
  copy_(y, x);
  on.set_current_stream(0, before);
  return equal(y, full({1000}, 3));
}

// Copies from memory that has gone back to the caching allocator.
bool reads_freed_memory() {
  Runtime& on = runtime(DeviceKind::emulated);
  const Tensor y = device_full(1000, 0);
  const void* gone = nullptr;
  {
    const Tensor x = device_full(1000, 3);
    synchronize(kEmulated);
    gone = x.raw();
  }
  on.copy(y.raw(), kEmulated, gone, kEmulated, y.bytes(), on.current_stream(0));
  return equal(y, full({1000}, 3));
}

bool reads_on_the_host() {
  const Tensor x = device_full(1000, 3);
  return x.data<float>()[0] == 3;
}

struct Case {
  std::string_view name;
  bool (*run)();
};
constexpr Case kCases[] = {
    {"tiles", copies_through_tiles},
    {"fill", fills},
    {"copy", copies},
    {"streams", reads_another_stream},
    {"freed", reads_freed_memory},
    {"host", reads_on_the_host},
};

}  // namespace

int main(int count, char** arguments) {
  for (const Case& one : kCases) {
    if (count < 2 || one.name != arguments[1]) continue;
    try {
      if (one.run()) return 0;
      std::printf("wrong numbers\n");
    } catch (const std::exception& error) {
      std::printf("%s\n", error.what());
    }
    return 1;
  }
  std::printf("usage: misuse CASE\n");
  return 2;
}
