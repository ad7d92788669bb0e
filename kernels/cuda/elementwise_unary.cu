// The functions of one tensor, forward. See elementwise.h for the kernels and kernels/functors.h for the functions.
// Bytes per element: one read, one write; bound by memory but for pow, and for exp, log, tanh of f64.
#include "core/ops/elementwise.h"
#include "kernels/cuda/elementwise.h"
#include "kernels/functors.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

using functors::Function;

template <typename T>
struct UnaryOp {
  static constexpr int kInputs = 1;
  using A = T;
  using B = Unused;
  using C = Unused;
  using Y = T;
  Wide<T> a, b;
};
template <typename T, Unary code>
struct OneFunction : UnaryOp<T> {
  __device__ T operator()(T x, Unused, Unused) const {
    return narrowed<T>(Function<code>::value(widened(x), this->a, this->b));
  }
};
template <typename T>
struct AnyFunction : UnaryOp<T> {
  Unary code;
  __device__ T operator()(T x, Unused, Unused) const {
    return with_code(code, [&]<Unary found>() -> T {
      using F = Function<found>;
      if constexpr (std::is_integral_v<T> && !F::kIntegers)
        return x;  // refused before the launch
      else
        return narrowed<T>(F::value(widened(x), this->a, this->b));
    });
  }
};

void run(Unary f, Scalars scalars, const Tensor& x, const Tensor& y) {
  if (!is_floating(x.dtype()) && !with_code(f, [&]<Unary code>() { return Function<code>::kIntegers; }))
    refuse_dtype(x.dtype(), "unary_forward", "f32, f64, f16 or bf16");
  visit_numeric(x.dtype(), "unary_forward", [&]<typename T>() {
    const UnaryOp<T> numbers{Wide<T>(scalars.a), Wide<T>(scalars.b)};
    const AnyFunction<T> any{numbers, f};
    if constexpr (std::is_same_v<Compute<T>, float>)
      with_code(f, [&]<Unary code>() { map(OneFunction<T, code>{numbers}, any, {&x, &y}); });
    else
      map(any, any, {&x, &y});
  });
}

[[maybe_unused]] const bool registered[] = {
    unary_forward.add({.device = kThisDevice, .name = "cuda.packs", .rank = 100, .run = run}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
