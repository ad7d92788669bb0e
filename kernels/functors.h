// Scalar functions shared by CPU and CUDA: each elementwise op's value and derivative, in the types arithmetic is done
// in (float, double, std::int64_t). An op is an enumerator in core/ops/elementwise.h and a Function<…> here; the
// backends' loops pick it up from there.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "core/ops/elementwise.h"
#include "kernels/elementary.h"

namespace weft::functors {

// --- unary: value(x, a, b) and gradient(saved, dy, a, b) = f' * dy, saved being what core/ops/elementwise.h names --

template <auto Code>
struct Function;

template <>
struct Function<Unary::neg> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C, C) {
    return -x;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C, C dy, C, C) {
    return -dy;
  }
};
template <>
struct Function<Unary::abs> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C, C) {
    if constexpr (std::is_floating_point_v<C>) return std::fabs(x);
    return x < 0 ? -x : x;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C x, C dy, C, C) {
    return x > 0 ? dy : (x < 0 ? -dy : x * C(0));  // 0 at 0, NaN at NaN
  }
};
template <>
struct Function<Unary::exp> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C, C) {
    return functors::exp(x);
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C y, C dy, C, C) {
    return dy * y;
  }
};
template <>
struct Function<Unary::log> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C, C) {
    return functors::log(x);
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C x, C dy, C, C) {
    return dy / x;
  }
};
template <>
struct Function<Unary::sqrt> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C, C) {
    return std::sqrt(x);
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C y, C dy, C, C) {
    return dy / (C(2) * y);
  }
};
template <>
struct Function<Unary::square> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C, C) {
    return x * x;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C x, C dy, C, C) {
    return C(2) * x * dy;
  }
};
template <>
struct Function<Unary::sigmoid> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C, C) {
    return functors::sigmoid(x);
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C y, C dy, C, C) {
    return dy * (y * (C(1) - y));
  }
};
template <>
struct Function<Unary::tanh> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C, C) {
    return functors::tanh(x);
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C y, C dy, C, C) {
    return dy * (C(1) - y * y);
  }
};
template <>
struct Function<Unary::relu> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C, C) {
    return x < 0 ? C(0) : x;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C y, C dy, C, C) {
    return y <= 0 ? C(0) : dy;
  }
};
template <>
struct Function<Unary::leaky_relu> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C a, C) {
    return x > 0 ? x : a * x;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C x, C dy, C a, C) {
    return x > 0 ? dy : a * dy;
  }
};
template <>
struct Function<Unary::elu> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C a, C) {
    return x > 0 ? x : a * exp_minus_1(x);
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C y, C dy, C a, C) {
    return y > 0 ? dy : dy * (y + a);
  }
};
template <>
struct Function<Unary::gelu> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C, C) {
    return x * normal_distribution(x);
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C x, C dy, C, C) {
    return dy * (normal_distribution(x) + x * normal_density(x));
  }
};
template <>
struct Function<Unary::gelu_tanh> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C inner(C x) {
    return C(0.79788456080286535588) * (x + C(0.044715) * x * x * x);
  }
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C, C) {
    return C(0.5) * x * (C(1) + functors::tanh(inner(x)));
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C x, C dy, C, C) {
    const C t = functors::tanh(inner(x));
    const C slope = C(0.79788456080286535588) * (C(1) + C(3 * 0.044715) * x * x);
    return dy * (C(0.5) * (C(1) + t) + C(0.5) * x * (C(1) - t * t) * slope);
  }
};
template <>
struct Function<Unary::silu> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C, C) {
    return x * functors::sigmoid(x);
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C x, C dy, C, C) {
    const C s = functors::sigmoid(x);
    return dy * (s * (C(1) + x * (C(1) - s)));
  }
};
template <>
struct Function<Unary::softplus> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C a, C b) {
    const C z = a * x;
    const C soft = ((z > 0 ? z : C(0)) + log_1_plus(functors::exp(z > 0 ? -z : z))) / a;
    return z > b ? x : soft;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C x, C dy, C a, C b) {
    return a * x > b ? dy : dy * functors::sigmoid(a * x);
  }
};
template <>
struct Function<Unary::hardswish> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C, C) {
    const C raised = x + C(3) < 0 ? C(0) : x + C(3);
    return x * (raised > C(6) ? C(6) : raised) / C(6);
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C x, C dy, C, C) {
    const C inside = x <= C(-3) ? C(0) : dy * (C(2) * x + C(3)) / C(6);
    return x >= C(3) ? dy : inside;
  }
};
template <>
struct Function<Unary::clamp> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C a, C b) {
    const C raised = x < a ? a : x;
    return raised > b ? b : raised;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C x, C dy, C a, C b) {
    const C kept = x < a ? C(0) : dy;
    return x > b ? C(0) : kept;
  }
};
template <>
struct Function<Unary::add_scalar> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C a, C) {
    return x + a;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C, C dy, C, C) {
    return dy;
  }
};
template <>
struct Function<Unary::scalar_sub> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C a, C) {
    return a - x;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C, C dy, C, C) {
    return -dy;
  }
};
template <>
struct Function<Unary::mul_scalar> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C a, C) {
    return x * a;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C, C dy, C a, C) {
    return dy * a;
  }
};
template <>
struct Function<Unary::div_scalar> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C a, C) {
    return x / a;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C, C dy, C a, C) {
    return dy / a;
  }
};
template <>
struct Function<Unary::scalar_div> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C a, C) {
    return a / x;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C x, C dy, C a, C) {
    return -dy * (a / x / x);
  }
};
template <>
struct Function<Unary::pow_scalar> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C a, C) {
    return std::pow(x, a);
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C x, C dy, C a, C) {
    return a == 0 ? C(0) : dy * (a * std::pow(x, a - C(1)));
  }
};
template <>
struct Function<Unary::scalar_pow> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C a, C) {
    return std::pow(a, x);
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C y, C dy, C a, C) {
    return a == 0 ? C(0) : dy * (y * functors::log(a));
  }
};
template <>
struct Function<Unary::maximum_scalar> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C a, C) {
    return x < a ? a : x;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C x, C dy, C a, C) {
    const C kept = x == a ? dy * C(0.5) : dy;
    return x < a ? C(0) : kept;
  }
};
template <>
struct Function<Unary::minimum_scalar> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C x, C a, C) {
    return x > a ? a : x;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C gradient(C x, C dy, C a, C) {
    const C kept = x == a ? dy * C(0.5) : dy;
    return x > a ? C(0) : kept;
  }
};

// --- binary: value(a, b, scale), left and right = the gradients to a and b ------------------------------------------

template <>
struct Function<Binary::add> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C a, C b, C) {
    return a + b;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C left(C, C, C dy) {
    return dy;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C right(C, C, C dy) {
    return dy;
  }
};
template <>
struct Function<Binary::add_scaled> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C a, C b, C scale) {
    return a + scale * b;
  }
};
template <>
struct Function<Binary::add_relu> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C a, C b, C) {
    return Function<Unary::relu>::value(a + b, C(0), C(0));
  }
};
template <>
struct Function<Binary::sub> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C a, C b, C) {
    return a - b;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C left(C, C, C dy) {
    return dy;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C right(C, C, C dy) {
    return -dy;
  }
};
template <>
struct Function<Binary::mul> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C a, C b, C) {
    return a * b;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C left(C, C b, C dy) {
    return dy * b;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C right(C a, C, C dy) {
    return dy * a;
  }
};
template <>
struct Function<Binary::div> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C a, C b, C) {
    return a / b;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C left(C, C b, C dy) {
    return dy / b;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C right(C a, C b, C dy) {
    return -dy * (a / b / b);
  }
};
template <>
struct Function<Binary::pow> {
  static constexpr bool kIntegers = false;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C a, C b, C) {
    return std::pow(a, b);
  }
  template <typename C>
  WEFT_HOST_DEVICE static C left(C a, C b, C dy) {
    return b == 0 ? C(0) : dy * (b * std::pow(a, b - C(1)));
  }
  template <typename C>
  WEFT_HOST_DEVICE static C right(C a, C b, C dy) {
    return a == 0 && b >= 0 ? C(0) : dy * (std::pow(a, b) * functors::log(a));
  }
};
template <>
struct Function<Binary::maximum> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C a, C b, C) {
    return a > b || a != a ? a : b;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C left(C a, C b, C dy) {
    const C kept = a == b ? dy * C(0.5) : dy;
    return a < b ? C(0) : kept;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C right(C a, C b, C dy) {
    return left(b, a, dy);
  }
};
template <>
struct Function<Binary::minimum> {
  static constexpr bool kIntegers = true;
  template <typename C>
  WEFT_HOST_DEVICE static C value(C a, C b, C) {
    return a < b || a != a ? a : b;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C left(C a, C b, C dy) {
    const C kept = a == b ? dy * C(0.5) : dy;
    return a > b ? C(0) : kept;
  }
  template <typename C>
  WEFT_HOST_DEVICE static C right(C a, C b, C dy) {
    return left(b, a, dy);
  }
};

// --- comparisons -----------------------------------------------------------------------------------------------------

template <>
struct Function<Comparison::equal> {
  template <typename C>
  WEFT_HOST_DEVICE static bool value(C a, C b) {
    return a == b;
  }
};
template <>
struct Function<Comparison::not_equal> {
  template <typename C>
  WEFT_HOST_DEVICE static bool value(C a, C b) {
    return a != b;
  }
};
template <>
struct Function<Comparison::less> {
  template <typename C>
  WEFT_HOST_DEVICE static bool value(C a, C b) {
    return a < b;
  }
};
template <>
struct Function<Comparison::less_equal> {
  template <typename C>
  WEFT_HOST_DEVICE static bool value(C a, C b) {
    return a <= b;
  }
};
template <>
struct Function<Comparison::greater> {
  template <typename C>
  WEFT_HOST_DEVICE static bool value(C a, C b) {
    return a > b;
  }
};
template <>
struct Function<Comparison::greater_equal> {
  template <typename C>
  WEFT_HOST_DEVICE static bool value(C a, C b) {
    return a >= b;
  }
};

}  // namespace weft::functors
