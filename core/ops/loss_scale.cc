#include "core/ops/loss_scale.h"

namespace weft {
namespace {

Cost unscale_cost(const Tensor&, const Tensor& gradients) {
  return {0, static_cast<double>(gradients.elements()), 2 * static_cast<double>(gradients.bytes())};
}

}  // namespace

constinit KernelSlot<void(const Tensor&, const Tensor&)> unscale_gradients{"unscale_gradients", unscale_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&)> gate_update{"gate_update"};
constinit KernelSlot<void(LossScaleUpdate, const Tensor&)> update_loss_scale{"update_loss_scale"};

}  // namespace weft
