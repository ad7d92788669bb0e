// Vec<T>: one register of float or double at the level this file is compiled for, with fused multiply-add, the larger
// of two (the second where one is NaN) and partial loads and stores. Intrinsics where the level has them, a small array
// of lanes otherwise (same results). And unrolled<N>, the loop that keeps arrays of them in registers.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#endif

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {

#if defined(__AVX512F__)

inline constexpr int kVectorBytes = 64;
inline constexpr int kVectorRegisters = 32;

template <typename T>
struct Vec;

template <>
struct Vec<float> {
  using Mask = __mmask16;
  static constexpr int kLanes = 16;
  __m512 v;
  static Mask first(std::int64_t n) { return n >= kLanes ? Mask(0xffff) : Mask((1u << n) - 1); }
  static Vec all(float x) { return {_mm512_set1_ps(x)}; }
  static Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Vec load(const float* p, Mask m) { return {_mm512_maskz_loadu_ps(m, p)}; }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store(float* p, Mask m) const { _mm512_mask_storeu_ps(p, m, v); }
  friend Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  friend Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
  friend Vec larger(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
};

template <>
struct Vec<double> {
  using Mask = __mmask8;
  static constexpr int kLanes = 8;
  __m512d v;
  static Mask first(std::int64_t n) { return n >= kLanes ? Mask(0xff) : Mask((1u << n) - 1); }
  static Vec all(double x) { return {_mm512_set1_pd(x)}; }
  static Vec load(const double* p) { return {_mm512_loadu_pd(p)}; }
  static Vec load(const double* p, Mask m) { return {_mm512_maskz_loadu_pd(m, p)}; }
  void store(double* p) const { _mm512_storeu_pd(p, v); }
  void store(double* p, Mask m) const { _mm512_mask_storeu_pd(p, m, v); }
  friend Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
  friend Vec operator+(Vec a, Vec b) { return {_mm512_add_pd(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm512_mul_pd(a.v, b.v)}; }
  friend Vec larger(Vec a, Vec b) { return {_mm512_max_pd(a.v, b.v)}; }
};

#elif defined(__AVX2__) && defined(__FMA__)

inline constexpr int kVectorBytes = 32;
inline constexpr int kVectorRegisters = 16;

template <typename T>
struct Vec;

template <>
struct Vec<float> {
  using Mask = __m256i;
  static constexpr int kLanes = 8;
  __m256 v;
  static Mask first(std::int64_t n) {
    const int count = n > kLanes ? kLanes : static_cast<int>(n);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Vec all(float x) { return {_mm256_set1_ps(x)}; }
  static Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static Vec load(const float* p, Mask m) { return {_mm256_maskload_ps(p, m)}; }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store(float* p, Mask m) const { _mm256_maskstore_ps(p, m, v); }
  friend Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  friend Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
  friend Vec larger(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
};

template <>
struct Vec<double> {
  using Mask = __m256i;
  static constexpr int kLanes = 4;
  __m256d v;
  static Mask first(std::int64_t n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n > kLanes ? kLanes : n), _mm256_setr_epi64x(0, 1, 2, 3));
  }
  static Vec all(double x) { return {_mm256_set1_pd(x)}; }
  static Vec load(const double* p) { return {_mm256_loadu_pd(p)}; }
  static Vec load(const double* p, Mask m) { return {_mm256_maskload_pd(p, m)}; }
  void store(double* p) const { _mm256_storeu_pd(p, v); }
  void store(double* p, Mask m) const { _mm256_maskstore_pd(p, m, v); }
  friend Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
  friend Vec operator+(Vec a, Vec b) { return {_mm256_add_pd(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm256_mul_pd(a.v, b.v)}; }
  friend Vec larger(Vec a, Vec b) { return {_mm256_max_pd(a.v, b.v)}; }
};

#else

inline constexpr int kVectorBytes = 16;
inline constexpr int kVectorRegisters = 16;

template <typename T>
struct Vec {
  using Mask = int;  // lanes in use
  static constexpr int kLanes = kVectorBytes / sizeof(T);
  T v[kLanes];
  static Mask first(std::int64_t n) { return n >= kLanes ? kLanes : static_cast<int>(n); }
  template <typename F>
  static Vec each(F&& f) {
    Vec out;
    for (int i = 0; i < kLanes; ++i) out.v[i] = f(i);
    return out;
  }
  static Vec all(T x) {
    return each([&](int) { return x; });
  }
  static Vec load(const T* p) {
    return each([&](int i) { return p[i]; });
  }
  static Vec load(const T* p, Mask m) {
    return each([&](int i) { return i < m ? p[i] : T(0); });
  }
  void store(T* p) const { store(p, kLanes); }
  void store(T* p, Mask m) const {
    for (int i = 0; i < m; ++i) p[i] = v[i];
  }
  friend Vec fma(Vec a, Vec b, Vec c) {
    return each([&](int i) { return std::fma(a.v[i], b.v[i], c.v[i]); });
  }
  friend Vec operator+(Vec a, Vec b) {
    return each([&](int i) { return a.v[i] + b.v[i]; });
  }
  friend Vec operator*(Vec a, Vec b) {
    return each([&](int i) { return a.v[i] * b.v[i]; });
  }
  friend Vec larger(Vec a, Vec b) {
    return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
  }
};

#endif

// f(0), f(1), …, f(N - 1), each with a constant: arrays indexed by it become registers.
template <int N, typename F>
[[gnu::always_inline]] inline void unrolled(F&& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, I>{}), ...);
  }
  (std::make_integer_sequence<int, N>());
}

}  // namespace weft::cpu::WEFT_CPU_LEVEL
