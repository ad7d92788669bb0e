// Dynamic loss scaling. Gradients: every thread owns packs of 16 bytes, each byte is read and written once; bound by
// memory. All threads that find a number that is not finite write the same 1. The rest is one thread's work.
#include "kernels/loss_scale.h"

#include "kernels/cuda/convert.h"
#include "kernels/cuda/flat.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

template <typename T>
__global__ void unscale_flat(std::int64_t elements, bool packs, float* state, T* gradients) {
  using C = Compute<T>;
  const C factor = C(1) / static_cast<C>(state[place_of(LossScale::scale)]);
  bool finite = true;
  each_pack<kPackSize<T>>(elements, packs, [&]<int n>(std::int64_t at) {
    Pack<T, n> pack = load_pack<n>(gradients + at);
    for (int i = 0; i < n; ++i) {
      pack.at[i] = to_storage<T>(to_compute(pack.at[i]) * factor);
      finite = finite && std::isfinite(to_compute(pack.at[i]));
    }
    store_pack(gradients + at, pack);
  });
  if (!finite) state[place_of(LossScale::overflow)] = 1;
}
__global__ void gate_rows(std::int64_t groups, const float* state, double* dynamics) {
  for (std::int64_t group = threadIdx.x; group < groups; group += blockDim.x) gate(state, dynamics + 2 * group);
}
__global__ void advance_scale(LossScaleUpdate options, float* state) {
  if (threadIdx.x == 0) advance(options, state);
}

void unscale(const Tensor& state, const Tensor& gradients) {
  if (gradients.elements() == 0) return;
  visit_floating(gradients.dtype(), "unscale_gradients", [&]<typename T>() {
    T* const data = gradients.data<T>();
    launch<unscale_flat<T>>({.blocks = flat_grid<T>(gradients, gradients.elements()), .threads = kFlatThreads},
                            stream_of(gradients), gradients.elements(), packs_allowed<T>(data), state.data<float>(),
                            data);
  });
}
void gate_all(const Tensor& state, const Tensor& dynamics) {
  launch<gate_rows>({.blocks = 1, .threads = 32}, stream_of(state), dynamics.size(0), state.data<float>(),
                    dynamics.data<double>());
}
void update(LossScaleUpdate options, const Tensor& state) {
  launch<advance_scale>({.blocks = 1, .threads = 32}, stream_of(state), options, state.data<float>());
}

[[maybe_unused]] const bool registered[] = {
    unscale_gradients.add({.device = kThisDevice, .name = "cuda.flat", .rank = 100, .run = unscale}),
    gate_update.add({.device = kThisDevice, .name = "cuda.rows", .rank = 100, .run = gate_all}),
    update_loss_scale.add({.device = kThisDevice, .name = "cuda.thread", .rank = 100, .run = update}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
