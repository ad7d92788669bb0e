#include "core/numerics.h"

#include <atomic>

#include "core/error.h"

namespace weft {
namespace {

constinit std::atomic<bool> tf32{false}, nondeterministic{false};
constinit std::atomic<std::int64_t> workspace_limit{Numerics{}.workspace_limit};

}  // namespace

Numerics numerics() { return {.tf32 = tf32, .nondeterministic = nondeterministic, .workspace_limit = workspace_limit}; }

void set_numerics(const Numerics& wanted) {
  require(wanted.workspace_limit >= 0, "numerics", "the workspace limit must be at least 0 bytes, not ",
          wanted.workspace_limit);
  tf32 = wanted.tf32;
  nondeterministic = wanted.nondeterministic;
  workspace_limit = wanted.workspace_limit;
}

}  // namespace weft
