// What stands between batch normalisation's numbers per channel and those that fused convolutions give and take. A
// thread owns a channel after another; a few numbers are read and written per channel: bound by the launch.
#include "core/ops/batch_norm.h"

#include "kernels/cuda/channels.h"
#include "kernels/cuda/convert.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

constexpr unsigned kThreads = 128;

// In f64: the difference of two nearly equal numbers must not lose more digits than the sums have lost already.
template <typename C>
__global__ void moments(std::int64_t channels, double n, const C* sum, const C* squares, C* mean, C* variance) {
  for (std::int64_t c = first_item(); c < channels; c += item_step()) {
    const double m = static_cast<double>(sum[c]) / n;
    const double v = static_cast<double>(squares[c]) / n - m * m;
    mean[c] = static_cast<C>(m);
    variance[c] = static_cast<C>(v < 0 ? 0 : v);  // a NaN stays
  }
}

template <typename C, typename T>
__global__ void affine(std::int64_t channels, double eps, const C* mean, const C* variance, const C* weight,
                       const C* bias, T* scale, T* shift) {
  for (std::int64_t c = first_item(); c < channels; c += item_step()) {
    const double slope =
        (weight ? static_cast<double>(weight[c]) : 1.0) / std::sqrt(static_cast<double>(variance[c]) + eps);
    scale[c] = to_storage<T>(static_cast<Compute<T>>(slope));
    if (!shift) continue;
    const double offset = (bias ? static_cast<double>(bias[c]) : 0.0) - static_cast<double>(mean[c]) * slope;
    shift[c] = to_storage<T>(static_cast<Compute<T>>(offset));
  }
}

template <typename T>
T* pointer(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

void run_moments(const Tensor& sum, const Tensor& squares, std::int64_t n, const Tensor& mean, const Tensor& variance) {
  const auto run = [&]<typename C>() {
    launch<moments<C>>({.blocks = grid_for(sum, sum.elements(), kThreads), .threads = kThreads}, stream_of(sum),
                       sum.elements(), static_cast<double>(n), sum.data<C>(), squares.data<C>(), mean.data<C>(),
                       variance.data<C>());
  };
  sum.dtype() == DType::f64 ? run.template operator()<double>() : run.template operator()<float>();
}

void run_affine(const Tensor& mean, const Tensor& variance, const Tensor& weight, const Tensor& bias, double eps,
                const Tensor& scale, const Tensor& shift) {
  visit_floating(scale.dtype(), "batch_norm", [&]<typename T>() {
    const auto run = [&]<typename C>() {
      launch<affine<C, T>>({.blocks = grid_for(mean, mean.elements(), kThreads), .threads = kThreads}, stream_of(mean),
                           mean.elements(), eps, mean.data<C>(), variance.data<C>(), pointer<C>(weight),
                           pointer<C>(bias), scale.data<T>(), pointer<T>(shift));
    };
    mean.dtype() == DType::f64 ? run.template operator()<double>() : run.template operator()<float>();
  });
}

[[maybe_unused]] const bool registered[] = {
    batch_norm_moments.add({.device = kThisDevice, .name = "cuda.channels", .rank = 100, .run = run_moments}),
    batch_norm_affine.add({.device = kThisDevice, .name = "cuda.channels", .rank = 100, .run = run_affine}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
