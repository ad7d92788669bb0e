#include "core/runtime/kernel_planner.h"

#include <atomic>

#include "core/runtime/runtime.h"

namespace weft {
namespace {

constinit std::atomic<const KernelPlanner*> planner{nullptr};

}  // namespace

KernelPlanner::~KernelPlanner() = default;

bool register_kernel_planner(const KernelPlanner* wanted) {
  planner = wanted;
  return true;
}

const KernelPlanner& kernel_planner() {
  if (!planner) load_module(DeviceKind::cuda);
  require(planner != nullptr, "plan",
          "this build's CUDA module knows no cuDNN; build it where cudnn.h and its C++ front end are "
          "(tools/install-deps fetches the front end)");
  return *planner;
}

}  // namespace weft
