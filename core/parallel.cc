#include "core/parallel.h"

#include <omp.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"

namespace weft {
namespace {

// OMP_NUM_THREADS is respected: it is what omp_get_max_threads() answers until set_threads() is called.
std::atomic<int> thread_limit{0};

// How often a thread looks before it sleeps: some tens of microseconds, longer than the pauses between the loops of a
// training step, and short enough to do no harm where other programs want the cores.
constexpr int kLooks = 2000;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until the word is no longer `seen`: first looking, then asleep.
std::uint32_t wait_for_change(const std::atomic<std::uint32_t>& word, std::uint32_t seen) {
  for (int look = 0; look < kLooks; ++look) {
    const std::uint32_t now = word.load(std::memory_order_acquire);
    if (now != seen) return now;
    relax();
  }
  word.wait(seen, std::memory_order_acquire);
  return word.load(std::memory_order_acquire);
}

thread_local bool inside_part = false;

// While a thread runs parts, libraries with OpenMP inside (oneDNN) stay on it, and loops inside a part run in line.
class InsidePart {
 public:
  InsidePart() : outer_threads_(omp_get_max_threads()) {
    inside_part = true;
    if (outer_threads_ != 1) omp_set_num_threads(1);
  }
  ~InsidePart() {
    inside_part = false;
    if (outer_threads_ != 1) omp_set_num_threads(outer_threads_);
  }
  InsidePart(const InsidePart&) = delete;
  InsidePart& operator=(const InsidePart&) = delete;

 private:
  int outer_threads_;
};

// One parallel loop. Thread t of the team owns parts t, t + team, …, so that the same thread sees the same memory in
// every loop; who has finished takes parts of others, so that a thread that the system does not run holds nobody up.
struct Loop {
  struct alignas(64) Owned {
    std::atomic<std::int64_t> taken{0};  // of this thread's parts; may pass their number
  };

  void (*run)(void* body, std::int64_t part) = nullptr;
  void* body = nullptr;
  std::int64_t parts = 0;
  int team = 0;
  std::vector<Owned> owned;  // one per thread
  std::mutex mutex;          // of the two below
  std::exception_ptr failure;
  std::int64_t failed_part = 0;

  void start(std::int64_t n, int threads, void (*run_part)(void*, std::int64_t), void* run_body) {
    run = run_part, body = run_body, parts = n, team = threads;
    if (static_cast<int>(owned.size()) < team) owned = std::vector<Owned>(static_cast<std::size_t>(team));
    for (Owned& list : owned) list.taken.store(0, std::memory_order_relaxed);
    failure = nullptr;
    failed_part = parts;
  }
  void run_part(std::int64_t part) {
    try {
      run(body, part);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (part < failed_part) failure = std::current_exception(), failed_part = part;
    }
  }
  // Runs a thread's own parts, then those that others have not begun.
  void work(int thread) {
    const InsidePart inside;
    for (int turn = 0; turn < team; ++turn) {
      const int owner = (thread + turn) % team;
      std::atomic<std::int64_t>& taken = owned[static_cast<std::size_t>(owner)].taken;
      while (owner + taken.load(std::memory_order_relaxed) * team < parts) {
        const std::int64_t part = owner + taken.fetch_add(1, std::memory_order_relaxed) * team;
        if (part < parts) run_part(part);
      }
    }
  }
};

// Helper threads that wait for loops. One loop runs at a time.
class Pool {
 public:
  std::mutex& mutex() { return mutex_; }  // held by the caller whose loop runs

  // Returns the exception of the lowest part that threw, null when none did.
  std::exception_ptr run(std::int64_t parts, int team, void (*run_part)(void*, std::int64_t), void* body) {
    add_helpers(team - 1);
    loop_.start(parts, team, run_part, body);
    const std::uint32_t turn = (gate_.load(std::memory_order_relaxed) & ~(kOpen | kInside)) + kTurn;
    gate_.store(turn | kOpen, std::memory_order_release);
    gate_.notify_all();
    loop_.work(0);
    std::uint32_t gate = gate_.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
    while (gate & kInside) gate = wait_for_change(gate_, gate);
    return std::exchange(loop_.failure, nullptr);
  }

 private:
  // The gate: how many helpers are inside, whether more may enter, and above these the number of the loop.
  static constexpr std::uint32_t kInside = 0xffff, kOpen = 0x10000, kTurn = 0x20000;

  // Threads that the system refuses are done without: the others take their parts.
  void add_helpers(int wanted) try {
    for (; helpers_ < wanted; ++helpers_) std::thread([this, thread = helpers_ + 1] { help(thread); }).detach();
  } catch (const std::system_error&) {
  }

  void help(int thread) {
    std::uint32_t last_turn = 0;
    for (;;) {
      std::uint32_t gate = gate_.load(std::memory_order_acquire);
      while (!(gate & kOpen) || (gate & ~(kOpen | kInside)) == last_turn) gate = wait_for_change(gate_, gate);
      if (!gate_.compare_exchange_strong(gate, gate + 1, std::memory_order_acq_rel)) continue;
      last_turn = gate & ~(kOpen | kInside);
      if (thread < loop_.team) loop_.work(thread);
      const std::uint32_t left = gate_.fetch_sub(1, std::memory_order_acq_rel) - 1;
      if (!(left & (kOpen | kInside))) gate_.notify_all();  // the caller may wait for the last one
    }
  }

  alignas(64) std::atomic<std::uint32_t> gate_{0};
  Loop loop_;
  std::mutex mutex_;
  int helpers_ = 0;
};

Pool& pool() {
  static Pool* const instance = new Pool;  // never destroyed: its threads sleep in it until the process ends
  return *instance;
}

}  // namespace

int threads() {
  const int limit = thread_limit.load(std::memory_order_relaxed);
  return limit > 0 ? limit : omp_get_max_threads();
}

void set_threads(int n) {
  require(n >= 1 && n <= 1024, "set_threads", "needs 1 to 1024 threads, got ", n);
  thread_limit = n;
  omp_set_num_threads(n);
}

namespace detail {

void run_parts(std::int64_t parts, void (*run)(void*, std::int64_t), void* body) {
  const int team = static_cast<int>(std::min<std::int64_t>(parts, threads()));
  if (team > 1 && !inside_part && !omp_in_parallel()) {
    // A second thread of the program that wants helpers at the same time does its loop alone.
    std::unique_lock lock(pool().mutex(), std::try_to_lock);
    if (lock.owns_lock()) {
      const std::exception_ptr failure = pool().run(parts, team, run, body);
      lock.unlock();
      if (failure) std::rethrow_exception(failure);
      return;
    }
  }
  for (std::int64_t part = 0; part < parts; ++part) run(body, part);
}

}  // namespace detail
}  // namespace weft
