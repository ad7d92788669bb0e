// The gradients of the functions of one tensor. See elementwise.h for the kernels. Bytes per element: two reads, one
// write; bound by memory but for the powers.
#include "core/ops/elementwise.h"
#include "kernels/cuda/elementwise.h"
#include "kernels/functors.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

using functors::Function;

template <typename T>
struct UnaryGradient {
  static constexpr int kInputs = 2;
  using A = T;  // saved
  using B = T;  // dy
  using C = Unused;
  using Y = T;
  Compute<T> a, b;
};
template <typename T, Unary code>
struct OneGradient : UnaryGradient<T> {
  __device__ T operator()(T saved, T dy, Unused) const {
    return narrowed<T>(Function<code>::gradient(widened(saved), widened(dy), this->a, this->b));
  }
};
template <typename T>
struct AnyGradient : UnaryGradient<T> {
  Unary code;
  __device__ T operator()(T saved, T dy, Unused) const {
    return with_code(code, [&]<Unary found>() -> T {
      return narrowed<T>(Function<found>::gradient(widened(saved), widened(dy), this->a, this->b));
    });
  }
};

void run(Unary f, Scalars scalars, const Tensor& saved, const Tensor& dy, const Tensor& dx) {
  visit_floating(dy.dtype(), "unary_backward", [&]<typename T>() {
    const UnaryGradient<T> numbers{Compute<T>(scalars.a), Compute<T>(scalars.b)};
    const AnyGradient<T> any{numbers, f};
    if constexpr (std::is_same_v<Compute<T>, float>)
      with_code(f, [&]<Unary code>() { map(OneGradient<T, code>{numbers}, any, {&saved, &dy, &dx}); });
    else
      map(any, any, {&saved, &dy, &dx});
  });
}

[[maybe_unused]] const bool registered[] = {
    unary_backward.add({.device = kThisDevice, .name = "cuda.packs", .rank = 100, .run = run}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
