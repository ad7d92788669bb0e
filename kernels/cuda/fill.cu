// Filling: every thread writes whole packs of 16 bytes, grid-stride. Writes each byte once; bound by memory.

#include "core/ops/copy.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/memory.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

template <typename T>
__global__ void fill_dense(std::int64_t elements, T value, T* y) {
  constexpr int n = kPackSize<T>;
  Pack<T, n> pack;
  for (int i = 0; i < n; ++i) pack.at[i] = value;
  for (std::int64_t i = first_item(); i < elements / n; i += item_step()) store_pack(y + i * n, pack);
  const std::int64_t tail = elements / n * n + first_item();
  if (tail < elements) y[tail] = value;
}

std::string refuse(double, const Tensor& y) { return y.layout().dense() ? "" : "y is a strided view"; }

void fill(double value, const Tensor& y) {
  visit_any(y.dtype(), "fill", [&]<typename T>() {
    launch<fill_dense<T>>({.blocks = grid_for(y, ceil_div(y.elements(), kPackSize<T>), 256), .threads = 256},
                          stream_of(y), y.elements(), static_cast<T>(static_cast<Compute<T>>(value)), y.data<T>());
  });
}

[[maybe_unused]] const bool registered[] = {
    fill_forward.add({.device = kThisDevice, .name = "cuda.packs", .rank = 100, .refuse = refuse, .run = fill}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
