// The rules of dynamic loss scaling, for the kernels of every backend.
#pragma once

#include <cmath>
#include <limits>

#include "core/ops/loss_scale.h"
#include "core/random.h"

namespace weft {

WEFT_HOST_DEVICE constexpr int place_of(LossScale field) { return static_cast<int>(field); }

// dynamics: learning rate and number of one group.
WEFT_HOST_DEVICE inline void gate(const float* state, double* dynamics) {
  dynamics[1] -= static_cast<double>(state[place_of(LossScale::skipped)]);
  if (state[place_of(LossScale::overflow)] != 0) dynamics[0] = std::numeric_limits<double>::quiet_NaN();
}

WEFT_HOST_DEVICE inline void advance(const LossScaleUpdate& o, float* state) {
  float& scale = state[place_of(LossScale::scale)];
  float& steady = state[place_of(LossScale::steady)];
  float& overflow = state[place_of(LossScale::overflow)];
  if (overflow != 0) {
    scale *= static_cast<float>(o.backoff);
    steady = 0;
    state[place_of(LossScale::skipped)] += 1;
  } else if (++steady >= static_cast<float>(o.interval)) {
    const float grown = scale * static_cast<float>(o.growth);
    if (std::isfinite(grown)) scale = grown;
    steady = 0;
  }
  overflow = 0;
}

}  // namespace weft
