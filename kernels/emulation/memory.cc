// The emulated device's memory. It is reserved twice: at the addresses that weft's host code sees nothing may be read
// or written, and a kernel gets the same place in the other range. So a host dereference of a device pointer cannot go
// unnoticed.

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <new>
#include <string_view>

#include "core/error.h"
#include "core/log.h"
#include "kernels/emulation/emulation.h"
#include "kernels/emulation/marks.h"
#include "kernels/emulation/red_zone.h"
#include "kernels/emulation/shared_limit.h"
#include "kernels/emulation/watch.h"

namespace weft::emulation {
namespace {

constexpr std::size_t kAlignment = 512;

std::size_t shared_bytes = 227 * 1024;  // until the options are read

Options read_options() {
  Options out;
  const char* variable = std::getenv("WEFT_EMULATOR");
  std::string_view text = variable ? variable : "";
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const std::string_view key = item.substr(0, item.find('='));
    const std::string value(item.size() > key.size() ? item.substr(key.size() + 1) : "");
    const unsigned long long number = std::strtoull(value.c_str(), nullptr, 10);
    if (key == "order" && (value == "forward" || value == "reverse" || value == "shuffled"))
      out.order = value == "forward" ? Order::forward : value == "reverse" ? Order::reverse : Order::shuffled;
    else if (key == "seed" && !value.empty())
      out.seed = number;
    else if (key == "memory" && number > 0 && number <= 1 << 20)
      out.memory_bytes = std::size_t{number} << 20;
    else if (key == "shared" && number >= 48 && number <= 227)
      shared_bytes = std::size_t{number} << 10;
    else
      fail(ErrorKind::usage, "WEFT_EMULATOR", "cannot read '", std::string(item),
           "'; it takes order=forward|reverse|shuffled, seed=N, memory=MiB and shared=KiB, separated by commas");
  }
  return out;
}

// A host dereference ends the process: what the program was about to do cannot be trusted.
void on_fault(int, siginfo_t* info, void*) {
  if (is_device_address(info->si_addr)) {
    constexpr std::string_view text =
        "weft: emulated: host code read or wrote memory of the device; copy it with to(cpu) first\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  }
  ::signal(SIGSEGV, SIG_DFL);  // returning runs the instruction again, and ends the process
}

#if defined(__SANITIZE_ADDRESS__)
// After AddressSanitizer's own words: what the emulated device was doing.
void on_report(const char*) {
  if (!running_kernel()) return;
  const Place& p = place;
  std::fprintf(stderr, "weft: emulated: %s: block (%u, %u, %u), thread (%u, %u, %u): out of bounds, or after free\n",
               running_kernel(), p.block.x, p.block.y, p.block.z, p.thread.x, p.thread.y, p.thread.z);
}
#endif

struct Arena {
  std::byte* device = nullptr;  // addresses for the host, which nobody may touch
  std::byte* kernel = nullptr;  // the same memory for kernels
  std::size_t bytes;
  std::map<std::size_t, std::size_t> taken;  // begin -> bytes, of cudaMalloc
  struct Held : Allocation {
    std::size_t behind = 0;  // bytes of the red zone there
    std::uint64_t zone = 0;  // which pattern its red zones hold
  };
  std::map<std::size_t, Held> allocations;  // begin -> what was handed out by the allocator
  std::size_t used = 0;
  std::uint64_t zones = 0;

  Arena() : bytes(options().memory_bytes + (std::size_t{64} << 20)) {
    device = reserve(PROT_NONE), kernel = reserve(PROT_READ | PROT_WRITE);
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    ::sigaction(SIGSEGV, &action, nullptr);
#if defined(__SANITIZE_ADDRESS__)
    __asan_set_error_report_callback(on_report);
#endif
  }
  std::byte* reserve(int protection) const {
    void* data = ::mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) throw std::bad_alloc();
    return static_cast<std::byte*>(data);
  }
  std::size_t offset(const void* data) const {
    return static_cast<std::size_t>(static_cast<const std::byte*>(data) - device);
  }
};

Arena* arena_or_null = nullptr;
Arena& arena() {
  static Arena* made = arena_or_null = new Arena;  // lives as long as the process: so do tensors with static storage
  return *made;
}

// What has happened to the red zones of the memory that kernels see at this address; empty when they are intact.
std::string damage(const std::byte* data, const Arena::Held& memory) {
  const std::byte *end = data + memory.bytes, *wall = end + memory.behind;
  const bool before = find_change(data - kRedZone, data, memory.zone) != data;
  if (!before && find_change(end, wall, memory.zone) == wall) return {};
  return std::string(memory.writer ? memory.writer : "a kernel") + ", or another one that was given " +
         std::to_string(memory.bytes) + " bytes of memory, wrote " +
         (before ? "before the beginning of them" : "beyond the end of them");
}

}  // namespace

Options& options() {
  static Options read = read_options();
  return read;
}

std::size_t shared_limit() { return options(), shared_bytes; }

std::recursive_mutex& turn() {
  static auto* mutex = new std::recursive_mutex;
  return *mutex;
}

bool is_device_address(const void* data) {
  if (!arena_or_null) return false;
  const auto* at = static_cast<const std::byte*>(data);
  return at >= arena_or_null->device && at < arena_or_null->device + arena_or_null->bytes;
}

void* to_kernel_address(const void* data) {
  if (!is_device_address(data)) return const_cast<void*>(data);
  return arena().kernel + arena().offset(data);
}

void poison(void* data, std::size_t bytes) {
  std::fill_n(static_cast<std::uint16_t*>(data), bytes / 2, kPoison);
  if (bytes % 2 != 0) static_cast<std::byte*>(data)[bytes - 1] = std::byte{kPoison & 0xff};
}

void* take_memory(std::size_t bytes) {
  Arena& a = arena();
  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (rounded > options().memory_bytes || a.used + rounded > options().memory_bytes) return nullptr;
  std::size_t begin = 0;
  for (const auto& [at, size] : a.taken) {
    if (at - begin >= rounded + kRedZone) break;
    begin = (at + size + kRedZone + kAlignment - 1) / kAlignment * kAlignment;
  }
  if (begin + rounded + kRedZone > a.bytes) return nullptr;
  a.taken[begin] = rounded;
  a.used += rounded;
  allow(a.kernel + begin, rounded);
  poison(a.kernel + begin, rounded);
  forbid(a.kernel + begin + bytes, rounded - bytes + kRedZone);
  return a.device + begin;
}

bool give_memory_back(void* data) {
  Arena& a = arena();
  const auto found = is_device_address(data) ? a.taken.find(a.offset(data)) : a.taken.end();
  if (found == a.taken.end()) return false;
  a.used -= found->second;
  forbid(a.kernel + found->first, found->second);
  a.taken.erase(found);
  return true;
}

std::size_t memory_used() { return arena().used; }

void note_writer(const void* data, const char* kernel) {
  if (is_device_address(data))
    if (auto* found = const_cast<Allocation*>(allocation_of(data))) found->writer = kernel;
}

const Allocation* allocation_of(const void* data) {
  if (!is_device_address(data)) return nullptr;
  Arena& a = arena();
  auto found = a.allocations.upper_bound(a.offset(data));
  if (found == a.allocations.begin()) return nullptr;
  --found;
  return a.offset(data) < found->first + found->second.bytes ? &found->second : nullptr;
}

void mark_handed_out(void* block, std::size_t bytes, std::size_t whole) {
  Arena& a = arena();
  std::byte *at = a.kernel + a.offset(block), *data = at + kRedZone, *end = data + bytes, *wall = at + whole;
  const Arena::Held memory{{bytes, nullptr}, static_cast<std::size_t>(wall - end), ++a.zones};
  allow(at, whole);
  fill_red_zone(at, data, memory.zone);
  poison(data, bytes);
  fill_red_zone(end, wall, memory.zone);
  forbid(at, kRedZone), forbid(end, memory.behind);
  a.allocations[a.offset(block) + kRedZone] = memory;
}

void mark_taken_back(void* block, std::size_t whole) {
  Arena& a = arena();
  std::byte* at = a.kernel + a.offset(block);
  allow(at, whole);
  const auto held = a.allocations.extract(a.offset(block) + kRedZone);
  const std::string found = held ? damage(at + kRedZone, held.mapped()) : std::string();
  poison(at, whole);
  forbid(at, whole);
  if (!found.empty()) complain(found);
}

void check_red_zones(const void* data) {
  Arena& a = arena();
  const auto found = is_device_address(data) ? a.allocations.find(a.offset(data)) : a.allocations.end();
  if (kWatched || found == a.allocations.end()) return;  // AddressSanitizer has reported whoever wrote there
  const std::string what = damage(a.kernel + found->first, found->second);
  if (!what.empty()) complain(what);
}

}  // namespace weft::emulation
