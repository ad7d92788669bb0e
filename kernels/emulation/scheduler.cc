// Runs grids: one block after another, in it one warp as far as it can go, in it one lane after another.

#include <algorithm>
#include <bit>
#include <cstring>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "core/error.h"
#include "kernels/emulation/emulation.h"
#include "kernels/emulation/fiber.h"
#include "kernels/emulation/shared_limit.h"
#include "kernels/emulation/shared_memory.h"

namespace weft::emulation {

Place place;

namespace {

constexpr unsigned kWarp = 32;

enum class State { ready, at_block_barrier, at_warp_function, ended };

// A copy that was asked for and has not landed.
struct LateCopy {
  void* to;
  const void* from;
  std::size_t bytes, zeros;
};

struct Thread {
  Fiber fiber;
  State state = State::ready;
  uint3 index;
  Where where;        // of the barrier or warp function it waits at
  unsigned mask = 0;  // lanes of the warp function
  void* operands = nullptr;
  void (*combine)(void* const* lanes) = nullptr;
  std::vector<LateCopy> copies;
  std::vector<std::size_t> groups;  // how many copies belong to each committed group
  std::size_t committed = 0;        // copies in those groups
};

std::vector<std::unique_ptr<Thread>> threads;
Thread* current = nullptr;
const Grid* grid = nullptr;
const std::function<void()>* body = nullptr;
std::exception_ptr failure;

std::string text(const uint3& at) {
  return "(" + std::to_string(at.x) + ", " + std::to_string(at.y) + ", " + std::to_string(at.z) + ")";
}
std::string text(const Where& where) {
  const std::string_view file = where.file_name();
  return std::string(file.substr(file.rfind('/') + 1)) + ":" + std::to_string(where.line());
}
std::string lane_text(const Thread& thread) { return "thread " + text(thread.index); }

void run_thread() {
  try {
    (*body)();
  } catch (...) {
    failure = std::current_exception();
  }
  current->state = State::ended;
}

void pause(State why, const Where& where) {
  Thread* self = current;
  self->state = why;
  self->where = where;
  Fiber::pause();
}

void resume(Thread& thread) {
  current = &thread;
  place.thread = thread.index;
  thread.state = State::ready;
  thread.fiber.resume();
  if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
}

[[noreturn]] void complain_of(Thread& thread, const std::string& what) {
  current = &thread;
  place.thread = thread.index;
  complain(thread.where, what);
}

// The warp's threads first … last - 1; lanes beyond do not exist, which is as if they had ended.
struct Warp {
  unsigned first, last;
  Thread& lane(unsigned i) const { return *threads[first + i]; }
  bool exists(unsigned i) const { return first + i < last; }
  bool ended(unsigned i) const { return !exists(i) || lane(i).state == State::ended; }
  bool waits(unsigned i) const { return exists(i) && lane(i).state == State::at_warp_function; }

  // Whether all lanes that the waiting lane's mask names wait at the same function.
  bool complete(const Thread& leader) const {
    for (unsigned i = 0; i < kWarp; ++i) {
      if ((leader.mask >> i & 1u) == 0) continue;
      if (!waits(i)) return false;
      const Thread& other = lane(i);
      if (other.mask != leader.mask || other.combine != leader.combine || other.where.line() != leader.where.line())
        return false;
    }
    return true;
  }
  void refuse_ended(Thread& leader) const {
    for (unsigned i = 0; i < kWarp; ++i)
      if ((leader.mask >> i & 1u) != 0 && ended(i))
        complain_of(leader, "a warp function names lane " + std::to_string(i) +
                                (exists(i) ? ", which has ended" : ", which the block does not have"));
  }
  // Completes the functions whose lanes have all arrived; whether there was one.
  bool release() const {
    bool any = false;
    for (unsigned i = 0; i < kWarp; ++i) {
      if (!waits(i)) continue;
      Thread& leader = lane(i);
      refuse_ended(leader);
      if (!complete(leader)) continue;
      void* operands[kWarp] = {};
      for (unsigned k = 0; k < kWarp; ++k)
        if ((leader.mask >> k & 1u) != 0) operands[k] = lane(k).operands;
      if (leader.combine) leader.combine(operands);
      const unsigned mask = leader.mask;
      for (unsigned k = 0; k < kWarp; ++k)
        if ((mask >> k & 1u) != 0) lane(k).state = State::ready;
      any = true;
    }
    return any;
  }
};

void run_warp(const Warp& warp, std::mt19937_64& random) {
  unsigned lanes[kWarp];
  const unsigned count = warp.last - warp.first;
  std::iota(lanes, lanes + count, 0u);
  if (options().order == Order::reverse) std::reverse(lanes, lanes + count);
  do {
    if (options().order == Order::shuffled) std::shuffle(lanes, lanes + count, random);
    for (unsigned i = 0; i < count; ++i)
      if (warp.lane(lanes[i]).state == State::ready) resume(warp.lane(lanes[i]));
  } while (warp.release());
}

// All threads have ended, or wait and cannot go on by themselves: lets them pass the barrier. False when all have
// ended.
bool pass_barrier(unsigned count) {
  Thread* waiting = nullptr;
  for (unsigned i = 0; i < count; ++i)
    if (threads[i]->state == State::at_warp_function)
      complain_of(*threads[i], "waits in a warp function for lanes that never come (they wait elsewhere)");
  for (unsigned i = 0; i < count; ++i)
    if (threads[i]->state == State::at_block_barrier) waiting = threads[i].get();
  if (!waiting) return false;
  for (unsigned i = 0; i < count; ++i) {
    const Thread& other = *threads[i];
    if (other.state == State::ended)
      complain_of(*waiting, "waits at __syncthreads, but " + lane_text(other) + " has ended");
    if (other.where.line() != waiting->where.line())
      complain_of(*waiting,
                  "waits at __syncthreads, but " + lane_text(other) + " waits at another one, " + text(other.where));
  }
  for (unsigned i = 0; i < count; ++i) threads[i]->state = State::ready;
  return true;
}

void run_block(unsigned count, std::mt19937_64& random) {
  for (unsigned i = 0; i < count; ++i) {
    Thread& thread = *threads[i];
    const dim3& shape = place.threads;
    thread.index = {i % shape.x, i / shape.x % shape.y, i / (shape.x * shape.y)};
    thread.state = State::ready;
    thread.copies.clear(), thread.groups.clear(), thread.committed = 0;
    thread.fiber.restart(run_thread);
  }
  begin_shared_memory(grid->shared_bytes);
  std::vector<unsigned> order((count + kWarp - 1) / kWarp);
  std::iota(order.begin(), order.end(), 0u);
  if (options().order == Order::reverse) std::reverse(order.begin(), order.end());
  do {
    if (options().order == Order::shuffled) std::shuffle(order.begin(), order.end(), random);
    for (const unsigned w : order) run_warp({w * kWarp, std::min((w + 1) * kWarp, count)}, random);
  } while (pass_barrier(count));
  check_shared_memory();
}

void check_limits(const Grid& g) {
  const auto refuse = [&](const std::string& what) { complain(what + ", more than a device takes"); };
  const std::uint64_t count = std::uint64_t{g.threads.x} * g.threads.y * g.threads.z;
  if (count == 0) complain("a block without threads");
  if (count > 1024 || g.threads.z > 64)
    refuse("blocks of " + text(uint3{g.threads.x, g.threads.y, g.threads.z}) + " threads");
  if (g.blocks.x > 0x7fffffffu || g.blocks.y > 65535 || g.blocks.z > 65535)
    refuse("a grid of " + text(uint3{g.blocks.x, g.blocks.y, g.blocks.z}) + " blocks");
  if (g.shared_bytes > shared_limit()) refuse(std::to_string(g.shared_bytes) + " bytes of shared memory");
}

// While one lives, a grid is running; puts things in order also when it ends by an exception.
struct Running {
  explicit Running(const Grid& g, const std::function<void()>& thread) {
    grid = &g, body = &thread, failure = nullptr, current = nullptr;
    place = {};
    place.threads = g.threads, place.blocks = g.blocks;
  }
  ~Running() { grid = nullptr, body = nullptr, current = nullptr; }
};

struct Exchange {
  std::uint64_t value;
  unsigned source;
  std::uint64_t result;
};
struct Ballot {
  bool value;
  unsigned result;
};

}  // namespace

const char* running_kernel() { return grid ? grid->kernel : nullptr; }

void complain(const std::string& what) {
  std::string prefix;
  if (grid) prefix = std::string(grid->kernel) + ": ";
  if (current) prefix += "block " + text(place.block) + ", " + lane_text(*current) + ": ";
  throw Error(ErrorKind::internal, "emulated: " + prefix + what);
}
void complain(const Where& where, const std::string& what) { complain("at " + text(where) + ": " + what); }

void run_grid(const Grid& g, const std::function<void()>& thread) {
  const Running running(g, thread);
  check_limits(g);
  const unsigned count = g.threads.x * g.threads.y * g.threads.z;
  while (threads.size() < count) threads.push_back(std::make_unique<Thread>());
  std::mt19937_64 random(options().seed);
  const std::uint64_t blocks = std::uint64_t{g.blocks.x} * g.blocks.y * g.blocks.z;
  for (std::uint64_t b = 0; b < blocks; ++b) {
    const std::uint64_t at = options().order == Order::reverse ? blocks - 1 - b : b;
    place.block = {unsigned(at % g.blocks.x), unsigned(at / g.blocks.x % g.blocks.y),
                   unsigned(at / g.blocks.x / g.blocks.y)};
    run_block(count, random);
  }
}

void block_barrier(const Where& where) { pause(State::at_block_barrier, where); }

void warp_together(unsigned mask, void* operands, void (*combine)(void* const* lanes), const Where& where) {
  if ((mask >> lane() & 1u) == 0) complain(where, "a warp function whose mask does not name the lane that calls it");
  current->mask = mask;
  current->operands = operands;
  current->combine = combine;
  pause(State::at_warp_function, where);
}

void warp_barrier(unsigned mask, const Where& where) { warp_together(mask, nullptr, nullptr, where); }

std::uint64_t warp_exchange(unsigned mask, std::uint64_t value, unsigned source, const Where& where) {
  if ((mask >> source & 1u) == 0)
    complain(where, "a shuffle reads lane " + std::to_string(source) + ", which its mask does not name");
  Exchange mine{value, source, 0};
  const auto combine = [](void* const* lanes) {
    for (unsigned i = 0; i < kWarp; ++i)
      if (auto* lane = static_cast<Exchange*>(lanes[i]))
        lane->result = static_cast<const Exchange*>(lanes[lane->source])->value;
  };
  warp_together(mask, &mine, combine, where);
  return mine.result;
}

unsigned warp_ballot(unsigned mask, bool value, const Where& where) {
  Ballot mine{value, 0};
  const auto combine = [](void* const* lanes) {
    unsigned votes = 0;
    for (unsigned i = 0; i < kWarp; ++i)
      if (lanes[i]) votes |= unsigned(static_cast<const Ballot*>(lanes[i])->value) << i;
    for (unsigned i = 0; i < kWarp; ++i)
      if (lanes[i]) static_cast<Ballot*>(lanes[i])->result = votes;
  };
  warp_together(mask, &mine, combine, where);
  return mine.result;
}

void copy_later(void* to, const void* from, std::size_t bytes, std::size_t zeros, const Where& where) {
  if (bytes > 0 && reinterpret_cast<std::uintptr_t>(from) % (bytes + zeros) != 0)
    complain(where, "an asynchronous copy from a misaligned address");
  if (reinterpret_cast<std::uintptr_t>(to) % (bytes + zeros) != 0)
    complain(where, "an asynchronous copy to a misaligned address");
  current->copies.push_back({to, from, bytes, zeros});
}
void commit_copies() {
  current->groups.push_back(current->copies.size() - current->committed);
  current->committed = current->copies.size();
}
void wait_for_copies(int groups_left) {
  Thread& self = *current;
  while (self.groups.size() > static_cast<std::size_t>(groups_left)) {
    const auto count = static_cast<std::ptrdiff_t>(self.groups.front());
    for (std::ptrdiff_t i = 0; i < count; ++i) {
      const LateCopy& copy = self.copies[static_cast<std::size_t>(i)];
      if (copy.bytes > 0) std::memcpy(copy.to, copy.from, copy.bytes);
      std::memset(static_cast<std::byte*>(copy.to) + copy.bytes, 0, copy.zeros);
    }
    self.copies.erase(self.copies.begin(), self.copies.begin() + count);
    self.groups.erase(self.groups.begin());
    self.committed -= static_cast<std::size_t>(count);
  }
}

}  // namespace weft::emulation
