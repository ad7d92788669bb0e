// The functions of two tensors and their gradients. See elementwise.h for the kernels. Bytes per element: two reads
// (three for a gradient) and one write; bound by memory but for pow.
#include "core/ops/elementwise.h"
#include "kernels/cuda/elementwise.h"
#include "kernels/functors.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

using functors::Function;

template <typename T>
struct BinaryOp {
  static constexpr int kInputs = 2;
  using A = T;
  using B = T;
  using C = Unused;
  using Y = T;
  Wide<T> scale;
};
template <typename T, Binary code>
struct OneFunction : BinaryOp<T> {
  __device__ T operator()(T a, T b, Unused) const {
    return narrowed<T>(Function<code>::value(widened(a), widened(b), this->scale));
  }
};
template <typename T>
struct AnyFunction : BinaryOp<T> {
  Binary code;
  __device__ T operator()(T a, T b, Unused) const {
    return with_code(code, [&]<Binary found>() -> T {
      using F = Function<found>;
      if constexpr (std::is_integral_v<T> && !F::kIntegers)
        return a;  // refused before the launch
      else
        return narrowed<T>(F::value(widened(a), widened(b), this->scale));
    });
  }
};

void forward(Binary f, Scalars scalars, const Tensor& a, const Tensor& b, const Tensor& y) {
  if (!is_floating(y.dtype()) && !with_code(f, [&]<Binary code>() { return Function<code>::kIntegers; }))
    refuse_dtype(y.dtype(), "binary_forward", "f32, f64, f16 or bf16");
  visit_numeric(y.dtype(), "binary_forward", [&]<typename T>() {
    const BinaryOp<T> numbers{Wide<T>(scalars.a)};
    const AnyFunction<T> any{numbers, f};
    if constexpr (std::is_same_v<Compute<T>, float>)
      with_code(f, [&]<Binary code>() { map(OneFunction<T, code>{numbers}, any, {&a, &b, &y}); });
    else
      map(any, any, {&a, &b, &y});
  });
}

// --- gradients ------------------------------------------------------------------------------------------------------

template <typename F>
constexpr bool kHasGradients = requires { F::template left<float>(0, 0, 0); };

template <typename T>
struct BinaryGradient {
  static constexpr int kInputs = 3;
  using A = T;
  using B = T;
  using C = T;  // dy
  using Y = T;
};
template <typename T, Binary code, Side side>
struct OneGradient : BinaryGradient<T> {
  __device__ T operator()(T a, T b, T dy) const {
    using F = Function<code>;
    if constexpr (!kHasGradients<F>)
      return dy;  // refused before the launch
    else if constexpr (side == Side::left)
      return narrowed<T>(F::left(widened(a), widened(b), widened(dy)));
    else
      return narrowed<T>(F::right(widened(a), widened(b), widened(dy)));
  }
};
template <typename T>
struct AnyGradient : BinaryGradient<T> {
  Binary code;
  Side side;
  __device__ T operator()(T a, T b, T dy) const {
    return with_code(code, [&]<Binary found>() -> T {
      if (side == Side::left) return OneGradient<T, found, Side::left>{}(a, b, dy);
      return OneGradient<T, found, Side::right>{}(a, b, dy);
    });
  }
};

void backward(Binary f, Side side, const Tensor& a, const Tensor& b, const Tensor& dy, const Tensor& dx) {
  ensure(with_code(f, [&]<Binary code>() { return kHasGradients<Function<code>>; }), "a function that has gradients");
  visit_floating(dy.dtype(), "binary_backward", [&]<typename T>() {
    const AnyGradient<T> any{{}, f, side};
    if constexpr (std::is_same_v<Compute<T>, float>)
      with_code(f, [&]<Binary code>() {
        if (side == Side::left)
          map(OneGradient<T, code, Side::left>{}, any, {&a, &b, &dy, &dx});
        else
          map(OneGradient<T, code, Side::right>{}, any, {&a, &b, &dy, &dx});
      });
    else
      map(any, any, {&a, &b, &dy, &dx});
  });
}

[[maybe_unused]] const bool registered[] = {
    binary_forward.add({.device = kThisDevice, .name = "cuda.packs", .rank = 100, .run = forward}),
    binary_backward.add({.device = kThisDevice, .name = "cuda.packs", .rank = 100, .run = backward}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
