#include "core/parallel.h"

#include <omp.h>

#include <atomic>
#include <exception>
#include <mutex>

#include "core/error.h"

namespace weft {
namespace {

// OMP_NUM_THREADS is respected: it is what omp_get_max_threads() answers until set_threads() is called.
std::atomic<int> thread_limit{0};

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
  if (team <= 1 || omp_in_parallel()) {
    for (std::int64_t part = 0; part < parts; ++part) run(body, part);
    return;
  }
  std::exception_ptr failure;
  std::int64_t failed_part = parts;
  std::mutex mutex;
#pragma omp parallel for schedule(static, 1) num_threads(team)
  for (std::int64_t part = 0; part < parts; ++part) {
    try {
      run(body, part);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (part < failed_part) failure = std::current_exception(), failed_part = part;
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace detail
}  // namespace weft
