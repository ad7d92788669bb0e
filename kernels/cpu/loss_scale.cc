// Dynamic loss scaling. Memory-bound: the gradients are read and written once.
#include "kernels/loss_scale.h"

#include <atomic>

#include "core/parallel.h"
#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

void unscale(const Tensor& state, const Tensor& gradients) {
  float* const fields = state.data<float>();
  std::atomic<bool> overflow = false;
  visit_floating(gradients.dtype(), "unscale_gradients", [&]<typename T>() {
    using C = Compute<T>;
    const C factor = C(1) / static_cast<C>(fields[place_of(LossScale::scale)]);
    T* const to = gradients.data<T>();
    parallel_for(gradients.elements(), 16 * 1024, [&](std::int64_t begin, std::int64_t end) {
      std::int32_t bad = 0;
      for (std::int64_t i = begin; i < end; ++i) {
        to[i] = static_cast<T>(static_cast<C>(to[i]) * factor);
        bad |= !(std::fabs(static_cast<C>(to[i])) <= std::numeric_limits<C>::max());
      }
      if (bad) overflow = true;
    });
  });
  if (overflow) fields[place_of(LossScale::overflow)] = 1;
}
void gate_all(const Tensor& state, const Tensor& dynamics) {
  for (std::int64_t group = 0; group < dynamics.size(0); ++group)
    gate(state.data<float>(), dynamics.data<double>() + 2 * group);
}
void update(LossScaleUpdate options, const Tensor& state) { advance(options, state.data<float>()); }

[[maybe_unused]] const bool registered[] = {
    unscale_gradients.add({.device = kThisDevice, .name = "cpu.flat", .rank = 100, .run = unscale}),
    gate_update.add({.device = kThisDevice, .name = "cpu.serial", .rank = 100, .run = gate_all}),
    update_loss_scale.add({.device = kThisDevice, .name = "cpu.serial", .rank = 100, .run = update}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
