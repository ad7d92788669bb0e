// Parallel loops with a static partition, on helper threads of our own: OpenMP's would spin for milliseconds whenever
// another program, or a data loader, wants a core. Results must not depend on the number of threads: what a part
// computes is fixed by the caller's count of parts (from shapes only), threads only decide who runs which part.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "core/export.h"

namespace weft {

WEFT_API int threads();            // at most this many run a parallel loop started by this thread
WEFT_API void set_threads(int n);  // for the process; >= 1

namespace detail {
WEFT_API void run_parts(std::int64_t parts, void (*run)(void* body, std::int64_t part), void* body);
}  // namespace detail

// body(part) for part in [0, parts), each exactly once. Exceptions of the lowest throwing part are rethrown. Loops
// inside a part run on the calling thread.
template <typename Body>
void parallel_parts(std::int64_t parts, Body&& body) {
  if (parts <= 1) {
    if (parts == 1) body(std::int64_t{0});
    return;
  }
  detail::run_parts(
      parts, [](void* b, std::int64_t part) { (*static_cast<std::remove_reference_t<Body>*>(b))(part); }, &body);
}

// body(begin, end) over [0, n) in ranges of at least `grain` elements, for loops whose elements are independent of
// each other: the split may then follow the number of threads. Ranges start at multiples of 16.
template <typename Body>
void parallel_for(std::int64_t n, std::int64_t grain, Body&& body) {
  if (n <= 0) return;
  const std::int64_t parts = std::min<std::int64_t>(threads(), (n + grain - 1) / grain);
  if (parts <= 1) {
    body(std::int64_t{0}, n);
    return;
  }
  const std::int64_t step = ((n + parts - 1) / parts + 15) / 16 * 16;
  parallel_parts(parts, [&](std::int64_t part) {
    const std::int64_t begin = std::min(n, part * step);
    const std::int64_t end = std::min(n, begin + step);
    if (begin < end) body(begin, end);
  });
}

}  // namespace weft
