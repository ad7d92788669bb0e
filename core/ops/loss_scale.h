// Dynamic loss scaling on the device: gradients of a scaled loss are scaled back, and where one of them overflowed the
// update is skipped and the scale halved, all without the host's knowing. Nothing here waits or takes part in a graph.
#pragma once

#include "core/kernel_slot.h"

namespace weft {

struct LossScaleUpdate {
  double growth = 2, backoff = 0.5;
  std::int64_t interval = 2000;  // steps without overflow until the scale grows
};

// What is known on the device, (4,) f32: the scale; steps since it changed; steps skipped so far; and whether one of
// the present step's gradients is not finite (0 or 1).
enum class LossScale : std::uint8_t { scale, steady, skipped, overflow, count };

// gradients /= scale; overflow = 1 where one of them is then not finite. gradients (n,), dense, any floating dtype.
extern WEFT_API KernelSlot<void(const Tensor& state, const Tensor& gradients)> unscale_gradients;
// Every row (learning rate, number of the step) of an optimizer's dynamics, (groups, 2) f64: the number becomes that of
// the steps that were not skipped; with an overflow the learning rate becomes NaN, which skips the update.
extern WEFT_API KernelSlot<void(const Tensor& state, const Tensor& dynamics)> gate_update;
// After an overflow scale *= backoff; after `interval` steps without one scale *= growth, unless that is infinite.
// Counts, and forgets the overflow.
extern WEFT_API KernelSlot<void(LossScaleUpdate options, const Tensor& state)> update_loss_scale;

}  // namespace weft
