// The CPU's runtime: a caching allocator, and streams and events that have always finished.

#include <unistd.h>

#include <bit>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <vector>

#include "core/parallel.h"
#include "core/runtime/large_blocks.h"
#include "core/runtime/runtime.h"

namespace weft {
namespace {

// Keeps freed blocks, because fresh pages cost three times the traffic of warm ones: small ones by size class, four to
// a power of two, so that at most a fifth of a block is wasted; large ones as LargeBlocks does.
class CpuAllocator final : public Allocator {
 public:
  void* allocate(std::size_t bytes) override {
    if (bytes == 0) return nullptr;
    const std::lock_guard lock(mutex_);
    ++statistics_.allocations;
    void* data = bytes < LargeBlocks::kLeast ? small(size_class(bytes)) : large_.take(bytes);
    if (!data) {
      release_all();
      data = bytes < LargeBlocks::kLeast ? small(size_class(bytes)) : large_.take(bytes);
    }
    if (!data)
      fail(ErrorKind::out_of_memory, "cpu", "cannot allocate ", bytes, " bytes; ", statistics_.live_bytes,
           " bytes are in use (peak ", statistics_.peak_bytes, "); use a smaller batch");
    statistics_.live_bytes += block_bytes(bytes);
    statistics_.peak_bytes = std::max(statistics_.peak_bytes, statistics_.live_bytes);
    return data;
  }

  void free(void* data, std::size_t bytes) noexcept override {
    if (!data) return;
    const std::lock_guard lock(mutex_);
    statistics_.live_bytes -= block_bytes(bytes);
    if (bytes >= LargeBlocks::kLeast) return large_.give_back(data, bytes);
    const int c = size_class(bytes);
    try {
      free_[c].push_back(data);
    } catch (...) {
      std::free(data);
      statistics_.reserved_bytes -= class_bytes(c);
    }
  }

  MemoryStatistics statistics() const override {
    const std::lock_guard lock(mutex_);
    MemoryStatistics out = statistics_;
    out.reserved_bytes += large_.reserved_bytes();
    return out;
  }
  void reset_peak() override {
    const std::lock_guard lock(mutex_);
    statistics_.peak_bytes = statistics_.live_bytes;
  }
  void release_cached() override {
    const std::lock_guard lock(mutex_);
    release_all();
  }

 private:
  static constexpr std::size_t kAlignment = 64;
  static constexpr int kClasses = 4 * 14 + 1;  // up to 1 MiB

  static int size_class(std::size_t bytes) {
    if (bytes <= kAlignment) return 0;
    const int log = std::bit_width(bytes - 1) - 1;  // 2^log < bytes <= 2^(log + 1)
    const std::size_t quarter = std::size_t{1} << (log - 2);
    const auto step = (bytes - (std::size_t{1} << log) + quarter - 1) / quarter;  // 1 to 4
    return 4 * (log - 6) + static_cast<int>(step);
  }
  static std::size_t class_bytes(int c) {
    if (c == 0) return kAlignment;
    const int log = (c - 1) / 4 + 6;
    const std::size_t quarter = std::size_t{1} << (log - 2);
    return (std::size_t{1} << log) + static_cast<std::size_t>((c - 1) % 4 + 1) * quarter;
  }

  static std::size_t block_bytes(std::size_t bytes) {
    return bytes < LargeBlocks::kLeast ? class_bytes(size_class(bytes)) : LargeBlocks::rounded(bytes);
  }

  // A block of that class; null where the system has none left.
  void* small(int c) {
    if (!free_[c].empty()) {
      void* data = free_[c].back();
      free_[c].pop_back();
      return data;
    }
    const std::size_t whole = (class_bytes(c) + kAlignment - 1) / kAlignment * kAlignment;  // what aligned_alloc wants
    void* data = std::aligned_alloc(kAlignment, whole);
    if (data) statistics_.reserved_bytes += class_bytes(c);
    return data;
  }

  void release_all() {
    for (int c = 0; c < kClasses; ++c) {
      for (void* data : free_[c]) std::free(data);
      statistics_.reserved_bytes -= class_bytes(c) * free_[c].size();
      free_[c].clear();
    }
    large_.release();
  }

  mutable std::mutex mutex_;
  MemoryStatistics statistics_;  // its reserved bytes: of small blocks
  LargeBlocks large_;
  std::vector<void*> free_[kClasses];
};

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "CPU";
}

std::string instruction_level() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq"))
    return "avx512";
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "avx2" : "x86-64";
#else
  return "generic";
#endif
}

struct CpuEvent {
  std::chrono::steady_clock::time_point at;
};

class CpuRuntime final : public Runtime {
 public:
  int devices() const override { return 1; }
  DeviceFacts facts(int) const override {
    const auto pages = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES));
    return {processor_name(),
            pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)),
            instruction_level(),
            {{"threads", std::to_string(threads())}}};
  }
  Allocator& allocator(int) override { return *allocator_; }

  Stream create_stream(int) override { return {}; }
  void destroy_stream(Stream) override {}
  Stream current_stream(int) override { return {}; }
  void set_current_stream(int, Stream) override {}
  Event create_event(int) override { return {new CpuEvent}; }
  void destroy_event(Event event) override { delete static_cast<CpuEvent*>(event.handle); }
  void record(Event event, Stream) override {
    static_cast<CpuEvent*>(event.handle)->at = std::chrono::steady_clock::now();
  }
  void wait(Stream, Event) override {}
  void synchronize(int) override {}
  double elapsed_ms(Event begin, Event end) override {
    const auto at = [](Event e) { return static_cast<CpuEvent*>(e.handle)->at; };
    return std::chrono::duration<double, std::milli>(at(end) - at(begin)).count();
  }
  void copy(void* to, Device, const void* from, Device, std::size_t bytes, Stream) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }

 private:
  // Never destroyed: tensors with static storage may free their memory after main has ended.
  CpuAllocator* allocator_ = new CpuAllocator;
};

const bool registered = register_runtime(DeviceKind::cpu, []() -> Runtime& {
  static auto* runtime = new CpuRuntime;
  return *runtime;
});

}  // namespace
}  // namespace weft
