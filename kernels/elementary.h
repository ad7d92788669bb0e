// Elementary functions for kernels of every backend. The f32 exp, log, sin, cos and tanh are our own: branch-free, with
// explicit fma, so loops over them vectorise and every device gives the same bits (contraction off). f64 uses the C
// library. Errors, measured against it: below 1.5 units in the last place (sigmoid 2.5).
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "core/random.h"

namespace weft::functors {

WEFT_HOST_DEVICE inline float float_of(std::int32_t bits) { return std::bit_cast<float>(bits); }
WEFT_HOST_DEVICE inline std::int32_t bits_of(float x) { return std::bit_cast<std::int32_t>(x); }

// x = n * ln 2 + r with |r| <= ln 2 / 2, for x clamped to where exp is neither 0 nor infinite by far.
struct ExpParts {
  float r;          // the rest
  float power_low;  // 2^n as a product of two floats, since n reaches -150 and 129
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
  // Unsigned: a negative x, whose logarithm is NaN, would overflow. 0x3f3504f3 is sqrt(1/2).
  const auto bits = std::int32_t(std::uint32_t(bits_of(tiny ? x * 0x1p23f : x)) - 0x3f3504f3u);
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
  y = x < infinity ? y : x;  // infinity and NaN
  y = x == 0.0f ? -infinity : y;
  return x < 0.0f ? __builtin_nanf("") : y;
}

// sin and cos of 2 pi u, u in [0, 1].
struct SinCos {
  float sin, cos;
};
WEFT_HOST_DEVICE inline SinCos sin_cos_of_turns(float u) {
  const float shifted = std::fma(u, 4.0f, 12582912.0f);
  const std::int32_t quadrant = bits_of(shifted);                                     // its low two bits
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

// log(1 + u), u >= 0, without losing u beside the 1: what the sum rounded away is put back to first order.
WEFT_HOST_DEVICE inline double log_1_plus(double u) { return std::log1p(u); }
WEFT_HOST_DEVICE inline float log_1_plus(float u) {
  const float sum = 1.0f + u;
  return log(sum) + (u - (sum - 1.0f)) / sum;
}

// The error function: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x. Up to 1 a polynomial fitted to erf(x) /
// x in x^2; beyond, 1 - exp(-q) with q fitted to -log(erfc(x)) on [1, 4], above which the result is 1.
WEFT_HOST_DEVICE inline double erf(double x) { return std::erf(x); }
WEFT_HOST_DEVICE inline float erf(float x) {
  const float magnitude = std::fabs(x);
  const float z = x * x;
  float p = 7.882497448e-5f;
  p = std::fma(p, z, -8.018855006e-4f);
  p = std::fma(p, z, 5.189312156e-3f);
  p = std::fma(p, z, -2.685432881e-2f);
  p = std::fma(p, z, 1.128359735e-1f);
  p = std::fma(p, z, -3.761262596e-1f);
  p = std::fma(p, z, 1.128379107f);
  const float t = magnitude > 4.0f ? 4.0f : magnitude;
  float q = 1.330938994e-5f;
  q = std::fma(q, t, -3.175720340e-4f);
  q = std::fma(q, t, 3.436867613e-3f);
  q = std::fma(q, t, -2.262198552e-2f);
  q = std::fma(q, t, 1.033189818e-1f);
  q = std::fma(q, t, 6.390933394e-1f);
  q = std::fma(q, t, 1.125925899f);
  q = std::fma(q, t, 7.569686277e-4f);
  const float far = std::copysign(1.0f - exp(-q), x);
  return magnitude > 1.0f ? far : x * p;  // NaN: x * p
}

// The standard normal distribution, and its density.
template <typename C>
WEFT_HOST_DEVICE C normal_distribution(C x) {
  return C(0.5) + C(0.5) * erf(x * C(0.70710678118654752440));
}
template <typename C>
WEFT_HOST_DEVICE C normal_density(C x) {
  return C(0.39894228040143267794) * exp(C(-0.5) * x * x);
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

}  // namespace weft::functors
