// Scalar functions shared by CPU and CUDA: each elementwise op's value and derivative, in the types arithmetic is done
// in (float, double, std::int64_t). The f32 exp, log, sin, cos and tanh are our own: branch-free, with explicit fma, so
// loops over them vectorise and every device gives the same bits (contraction off). f64 uses the C library.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "core/ops/elementwise.h"
#include "core/random.h"

namespace weft::functors {

// --- elementary functions ------------------------------------------------------------------------------------------

WEFT_HOST_DEVICE inline float float_of(std::int32_t bits) { return std::bit_cast<float>(bits); }
WEFT_HOST_DEVICE inline std::int32_t bits_of(float x) { return std::bit_cast<std::int32_t>(x); }

// x = n * ln 2 + r with |r| <= ln 2 / 2, for x clamped to where exp is neither 0 nor infinite by far.
struct ExpParts {
  float r;           // the rest
  float power_low;   // 2^n as a product of two floats, since n reaches -150 and 129
  float power_high;
};
WEFT_HOST_DEVICE inline ExpParts exp_parts(float x) {
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;  // both keep NaN
  // Adding 1.5 * 2^23 rounds to the nearest integer, which then sits in the low bits.
  const float shifted = std::fma(x, 1.44269504088896341f, 12582912.0f);
  const float n = shifted - 12582912.0f;
  const float r = std::fma(n, -1.428606765330187045e-06f, std::fma(n, -0.693145751953125f, x));
  const std::int32_t whole = bits_of(shifted) - 0x4B400000;
  const std::int32_t half = whole >> 1;
  // Shifts of unsigned values: for NaN the integer is arbitrary.
  const auto power = [](std::int32_t e) { return float_of(std::int32_t(std::uint32_t(e + 127) << 23)); };
  return {r, power(half), power(whole - half)};
}
// (exp(r) - 1 - r) / r^2 for |r| <= ln 2 / 2 (Cephes expf).
WEFT_HOST_DEVICE inline float exp_tail(float r) {
  float p = 1.9875691500e-4f;
  p = std::fma(p, r, 1.3981999507e-3f);
  p = std::fma(p, r, 8.3334519073e-3f);
  p = std::fma(p, r, 4.1665795894e-2f);
  p = std::fma(p, r, 1.6666665459e-1f);
  return std::fma(p, r, 5.0000001201e-1f);
}

WEFT_HOST_DEVICE inline double exp(double x) { return std::exp(x); }
WEFT_HOST_DEVICE inline float exp(float x) {
  const ExpParts e = exp_parts(x);
  const float p = std::fma(exp_tail(e.r), e.r * e.r, e.r) + 1.0f;
  return p * e.power_low * e.power_high;
}

// exp(x) - 1 without cancellation near 0.
WEFT_HOST_DEVICE inline double exp_minus_1(double x) { return std::expm1(x); }
WEFT_HOST_DEVICE inline float exp_minus_1(float x) {
  const ExpParts e = exp_parts(x);
  const float p = std::fma(exp_tail(e.r), e.r * e.r, e.r);  // exp(r) - 1
  const float power = e.power_low * e.power_high;
  const float small = std::fma(power, p, power - 1.0f);
  return x > 88.0f ? exp(x) : small;  // beyond, 2^n alone would overflow
}

WEFT_HOST_DEVICE inline double log(double x) { return std::log(x); }
WEFT_HOST_DEVICE inline float log(float x) {
  const bool tiny = x < 0x1p-126f;
  const std::int32_t bits = bits_of(tiny ? x * 0x1p23f : x) - 0x3f3504f3;  // 0x3f3504f3 = sqrt(1/2)
  const float e = float(bits >> 23) - (tiny ? 23.0f : 0.0f);
  const float t = float_of((bits & 0x007fffff) + 0x3f3504f3) - 1.0f;  // x = 2^e * (1 + t), t in [-0.293, 0.414)
  const float z = t * t;
  float p = 7.0376836292e-2f;  // Cephes logf
  p = std::fma(p, t, -1.1514610310e-1f);
  p = std::fma(p, t, 1.1676998740e-1f);
  p = std::fma(p, t, -1.2420140846e-1f);
  p = std::fma(p, t, 1.4249322787e-1f);
  p = std::fma(p, t, -1.6668057665e-1f);
  p = std::fma(p, t, 2.0000714765e-1f);
  p = std::fma(p, t, -2.4999993993e-1f);
  p = std::fma(p, t, 3.3333331174e-1f);
  float y = p * t * z;
  y = std::fma(e, -2.12194440e-4f, y);
  y = std::fma(z, -0.5f, y);
  y = std::fma(e, 0.693359375f, t + y);
  constexpr float infinity = __builtin_inff();
  y = x < infinity ? y : x;         // infinity and NaN
  y = x == 0.0f ? -infinity : y;
  return x < 0.0f ? __builtin_nanf("") : y;
}

// sin and cos of 2 pi u, u in [0, 1].
struct SinCos {
  float sin, cos;
};
WEFT_HOST_DEVICE inline SinCos sin_cos_of_turns(float u) {
  const float shifted = std::fma(u, 4.0f, 12582912.0f);
  const std::int32_t quadrant = bits_of(shifted);                       // its low two bits
  const float x = std::fma(shifted - 12582912.0f, -0.25f, u) * 6.28318530717958648f;  // |x| <= pi / 4
  const float z = x * x;
  float s = std::fma(-1.9515295891e-4f, z, 8.3321608736e-3f);  // Cephes sinf, cosf
  s = std::fma(s, z, -1.6666654611e-1f);
  s = std::fma(s * z, x, x);
  float c = std::fma(2.443315711809948e-5f, z, -1.388731625493765e-3f);
  c = std::fma(c, z, 4.166664568298827e-2f);
  c = std::fma(c * z, z, std::fma(z, -0.5f, 1.0f));
  const float sine = quadrant & 1 ? c : s;
  const float cosine = quadrant & 1 ? s : c;
  return {quadrant & 2 ? -sine : sine, (quadrant + 1) & 2 ? -cosine : cosine};
}

WEFT_HOST_DEVICE inline double tanh(double x) { return std::tanh(x); }
WEFT_HOST_DEVICE inline float tanh(float x) {
  const float magnitude = std::fabs(x);
  const float z = x * x;
  float p = -5.70498872745e-3f;  // Cephes tanhf, |x| < 0.625
  p = std::fma(p, z, 2.06390887954e-2f);
  p = std::fma(p, z, -5.37397155531e-2f);
  p = std::fma(p, z, 1.33314422036e-1f);
  p = std::fma(p, z, -3.33332819422e-1f);
  const float near_zero = std::fma(p * z, x, x);
  const float far = std::copysign(1.0f - 2.0f / (exp(2.0f * magnitude) + 1.0f), x);
  return magnitude < 0.625f ? near_zero : far;
}

template <typename C>
WEFT_HOST_DEVICE C sigmoid(C x) {
  return C(1) / (C(1) + exp(-x));
}

// Two independent standard normals from two random words (Box, Muller, Annals of Mathematical Statistics 1958).
struct NormalPair {
  float first, second;
};
WEFT_HOST_DEVICE inline NormalPair normal_pair(std::uint32_t word_a, std::uint32_t word_b) {
  // (word + 1/2) / 2^31 of the upper 31 bits, in (0, 1]: signed integers convert in one instruction.
  const float u = std::fma(float(std::int32_t(word_a >> 1)), 0x1p-31f, 0x1p-32f);
  const float radius = std::sqrt(-2.0f * log(u));
  const SinCos turn = sin_cos_of_turns(uniform_from(word_b));
  return {radius * turn.cos, radius * turn.sin};
}

// --- unary: value(x, a, b) and gradient(saved, dy, a, b) = f' * dy, saved being what core/ops/elementwise.h names --

template <auto Code>
struct Function;

template <>
struct Function<Unary::neg> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C, C) { return -x; }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C, C dy, C, C) { return -dy; }
};
template <>
struct Function<Unary::abs> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C, C) {
    if constexpr (std::is_floating_point_v<C>) return std::fabs(x);
    return x < 0 ? -x : x;
  }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C x, C dy, C, C) {
    return x > 0 ? dy : (x < 0 ? -dy : x * C(0));  // 0 at 0, NaN at NaN
  }
};
template <>
struct Function<Unary::exp> {
  static constexpr bool kIntegers = false;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C, C) { return functors::exp(x); }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C y, C dy, C, C) { return dy * y; }
};
template <>
struct Function<Unary::log> {
  static constexpr bool kIntegers = false;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C, C) { return functors::log(x); }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C x, C dy, C, C) { return dy / x; }
};
template <>
struct Function<Unary::sqrt> {
  static constexpr bool kIntegers = false;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C, C) { return std::sqrt(x); }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C y, C dy, C, C) { return dy / (C(2) * y); }
};
template <>
struct Function<Unary::square> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C, C) { return x * x; }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C x, C dy, C, C) { return C(2) * x * dy; }
};
template <>
struct Function<Unary::sigmoid> {
  static constexpr bool kIntegers = false;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C, C) { return functors::sigmoid(x); }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C y, C dy, C, C) { return dy * (y * (C(1) - y)); }
};
template <>
struct Function<Unary::tanh> {
  static constexpr bool kIntegers = false;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C, C) { return functors::tanh(x); }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C y, C dy, C, C) { return dy * (C(1) - y * y); }
};
template <>
struct Function<Unary::relu> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C, C) { return x < 0 ? C(0) : x; }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C y, C dy, C, C) { return y <= 0 ? C(0) : dy; }
};
template <>
struct Function<Unary::leaky_relu> {
  static constexpr bool kIntegers = false;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C a, C) { return x > 0 ? x : a * x; }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C x, C dy, C a, C) { return x > 0 ? dy : a * dy; }
};
template <>
struct Function<Unary::elu> {
  static constexpr bool kIntegers = false;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C a, C) { return x > 0 ? x : a * exp_minus_1(x); }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C y, C dy, C a, C) { return y > 0 ? dy : dy * (y + a); }
};
template <>
struct Function<Unary::clamp> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C a, C b) {
    const C raised = x < a ? a : x;
    return raised > b ? b : raised;
  }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C x, C dy, C a, C b) {
    const C kept = x < a ? C(0) : dy;
    return x > b ? C(0) : kept;
  }
};
template <>
struct Function<Unary::add_scalar> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C a, C) { return x + a; }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C, C dy, C, C) { return dy; }
};
template <>
struct Function<Unary::scalar_sub> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C a, C) { return a - x; }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C, C dy, C, C) { return -dy; }
};
template <>
struct Function<Unary::mul_scalar> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C a, C) { return x * a; }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C, C dy, C a, C) { return dy * a; }
};
template <>
struct Function<Unary::div_scalar> {
  static constexpr bool kIntegers = false;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C a, C) { return x / a; }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C, C dy, C a, C) { return dy / a; }
};
template <>
struct Function<Unary::scalar_div> {
  static constexpr bool kIntegers = false;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C a, C) { return a / x; }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C x, C dy, C a, C) { return -dy * (a / x / x); }
};
template <>
struct Function<Unary::pow_scalar> {
  static constexpr bool kIntegers = false;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C a, C) { return std::pow(x, a); }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C x, C dy, C a, C) {
    return a == 0 ? C(0) : dy * (a * std::pow(x, a - C(1)));
  }
};
template <>
struct Function<Unary::scalar_pow> {
  static constexpr bool kIntegers = false;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C a, C) { return std::pow(a, x); }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C y, C dy, C a, C) {
    return a == 0 ? C(0) : dy * (y * functors::log(a));
  }
};
template <>
struct Function<Unary::maximum_scalar> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C a, C) { return x < a ? a : x; }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C x, C dy, C a, C) {
    const C kept = x == a ? dy * C(0.5) : dy;
    return x < a ? C(0) : kept;
  }
};
template <>
struct Function<Unary::minimum_scalar> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C x, C a, C) { return x > a ? a : x; }
  template <typename C> WEFT_HOST_DEVICE static C gradient(C x, C dy, C a, C) {
    const C kept = x == a ? dy * C(0.5) : dy;
    return x > a ? C(0) : kept;
  }
};

// --- binary: value(a, b, scale), left and right = the gradients to a and b ------------------------------------------

template <>
struct Function<Binary::add> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C a, C b, C) { return a + b; }
  template <typename C> WEFT_HOST_DEVICE static C left(C, C, C dy) { return dy; }
  template <typename C> WEFT_HOST_DEVICE static C right(C, C, C dy) { return dy; }
};
template <>
struct Function<Binary::add_scaled> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C a, C b, C scale) { return a + scale * b; }
};
template <>
struct Function<Binary::sub> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C a, C b, C) { return a - b; }
  template <typename C> WEFT_HOST_DEVICE static C left(C, C, C dy) { return dy; }
  template <typename C> WEFT_HOST_DEVICE static C right(C, C, C dy) { return -dy; }
};
template <>
struct Function<Binary::mul> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C a, C b, C) { return a * b; }
  template <typename C> WEFT_HOST_DEVICE static C left(C, C b, C dy) { return dy * b; }
  template <typename C> WEFT_HOST_DEVICE static C right(C a, C, C dy) { return dy * a; }
};
template <>
struct Function<Binary::div> {
  static constexpr bool kIntegers = false;
  template <typename C> WEFT_HOST_DEVICE static C value(C a, C b, C) { return a / b; }
  template <typename C> WEFT_HOST_DEVICE static C left(C, C b, C dy) { return dy / b; }
  template <typename C> WEFT_HOST_DEVICE static C right(C a, C b, C dy) { return -dy * (a / b / b); }
};
template <>
struct Function<Binary::pow> {
  static constexpr bool kIntegers = false;
  template <typename C> WEFT_HOST_DEVICE static C value(C a, C b, C) { return std::pow(a, b); }
  template <typename C> WEFT_HOST_DEVICE static C left(C a, C b, C dy) {
    return b == 0 ? C(0) : dy * (b * std::pow(a, b - C(1)));
  }
  template <typename C> WEFT_HOST_DEVICE static C right(C a, C b, C dy) {
    return a == 0 && b >= 0 ? C(0) : dy * (std::pow(a, b) * functors::log(a));
  }
};
template <>
struct Function<Binary::maximum> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C a, C b, C) { return a > b || a != a ? a : b; }
  template <typename C> WEFT_HOST_DEVICE static C left(C a, C b, C dy) {
    const C kept = a == b ? dy * C(0.5) : dy;
    return a < b ? C(0) : kept;
  }
  template <typename C> WEFT_HOST_DEVICE static C right(C a, C b, C dy) { return left(b, a, dy); }
};
template <>
struct Function<Binary::minimum> {
  static constexpr bool kIntegers = true;
  template <typename C> WEFT_HOST_DEVICE static C value(C a, C b, C) { return a < b || a != a ? a : b; }
  template <typename C> WEFT_HOST_DEVICE static C left(C a, C b, C dy) {
    const C kept = a == b ? dy * C(0.5) : dy;
    return a > b ? C(0) : kept;
  }
  template <typename C> WEFT_HOST_DEVICE static C right(C a, C b, C dy) { return left(b, a, dy); }
};

// --- comparisons -----------------------------------------------------------------------------------------------------

template <>
struct Function<Comparison::equal> {
  template <typename C> WEFT_HOST_DEVICE static bool value(C a, C b) { return a == b; }
};
template <>
struct Function<Comparison::not_equal> {
  template <typename C> WEFT_HOST_DEVICE static bool value(C a, C b) { return a != b; }
};
template <>
struct Function<Comparison::less> {
  template <typename C> WEFT_HOST_DEVICE static bool value(C a, C b) { return a < b; }
};
template <>
struct Function<Comparison::less_equal> {
  template <typename C> WEFT_HOST_DEVICE static bool value(C a, C b) { return a <= b; }
};
template <>
struct Function<Comparison::greater> {
  template <typename C> WEFT_HOST_DEVICE static bool value(C a, C b) { return a > b; }
};
template <>
struct Function<Comparison::greater_equal> {
  template <typename C> WEFT_HOST_DEVICE static bool value(C a, C b) { return a >= b; }
};

}  // namespace weft::functors
