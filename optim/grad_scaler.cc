#include "optim/grad_scaler.h"

#include "core/ops/copy.h"
#include "core/ops/elementwise.h"

namespace weft::optim {

GradScaler::GradScaler(Device device, GradScalerOptions options) : options_(options) {
  const LossScaleUpdate& u = options.update;
  require(options.scale > 0 && u.growth >= 1 && u.backoff > 0 && u.backoff < 1 && u.interval >= 1, "grad_scaler",
          "needs scale > 0, growth >= 1, 0 < backoff < 1 and interval >= 1, got ", options.scale, ", ", u.growth, ", ",
          u.backoff, " and ", u.interval);
  state_ = tensor({static_cast<std::int64_t>(LossScale::count)}, {options.scale, 0, 0, 0}).to(device);
}

Tensor GradScaler::scale(const Tensor& loss) const {
  return mul(loss, state_.select(0, static_cast<int>(LossScale::scale)).to(loss.dtype()));
}

void GradScaler::unscale(const Optimizer& optimizer) const {
  optimizer.complete_gradients("grad_scaler");
  for (const Arena& arena : optimizer.arenas()) {
    require(arena.gradients().device() == state_.device(), "grad_scaler", "is on ", state_.device(),
            " but a gradient on ", arena.gradients().device());
    unscale_gradients(state_, arena.gradients());
    arena.gradients().storage()->written_by("grad_scaler");
  }
}

void GradScaler::apply(Optimizer& optimizer) const {
  gate_update(state_, optimizer.dynamics(state_.device()));
  optimizer.apply();
  update_loss_scale(options_.update, state_);
  state_.storage()->written_by("grad_scaler");
}

void GradScaler::step(Optimizer& optimizer) const {
  unscale(optimizer);
  optimizer.advance();
  apply(optimizer);
}

double GradScaler::field(LossScale which) const { return state_.select(0, static_cast<int>(which)).item(); }

void GradScaler::load(const Tensor& state) {
  require(state.shape() == state_.shape(), "grad_scaler", "the state to load is ", state.shape(), ", needed is ",
          state_.shape());
  copy_(state_, state);
}

}  // namespace weft::optim
