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
  try {
    if (!planner) load_module(DeviceKind::cuda);
  } catch (const Error& error) {
    fail(ErrorKind::usage, "plan", "asks the CUDA module, which needs no GPU; ", error.what());
  }
  require(planner != nullptr, "plan",
          "this build's CUDA module knows no cuDNN; build it where cudnn.h and its C++ front end are "
          "(tools/install-deps fetches the front end)");
  return *planner;
}

}  // namespace weft
