// GradScaler: keeps small f16 gradients from vanishing by scaling the loss (Micikevicius and others, "Mixed precision
// training", ICLR 2018). The scale grows while gradients stay finite; a step with an overflow changes nothing but the
// scale. Everything is decided on the device: no step waits, and recorded steps work.
#pragma once

#include "core/ops/loss_scale.h"
#include "optim/optimizer.h"

namespace weft::optim {

struct GradScalerOptions {
  double scale = 65536;  // to begin with
  LossScaleUpdate update = {};
};

class WEFT_API GradScaler {
 public:
  explicit GradScaler(Device device, GradScalerOptions options = {});

  // loss * scale: what backward() is called on.
  Tensor scale(const Tensor& loss) const;
  // Divides all gradients by the scale; once per step, before they are clipped or looked at.
  void unscale(const Optimizer& optimizer) const;
  // Optimizer::apply() unless a gradient was not finite, then the rule of the scale. Skipped steps do not count in what
  // the optimizer computes from its number of steps. unscale() and Optimizer::advance() come before.
  void apply(Optimizer& optimizer) const;
  // optimizer.step() with all of this.
  void step(Optimizer& optimizer) const;

  // Both wait for the device.
  double scale() const { return field(LossScale::scale); }
  std::int64_t skipped() const { return static_cast<std::int64_t>(field(LossScale::skipped)); }

  // What a checkpoint keeps: (4,) f32 on the scaler's device, its own, not a copy.
  const Tensor& state() const { return state_; }
  void load(const Tensor& state);

 private:
  double field(LossScale which) const;

  GradScalerOptions options_;
  Tensor state_;
};

}  // namespace weft::optim
