// Half and BFloat16, exhaustively, against conversions written from the formats' definitions.
#include "core/float16.h"

#include <bit>
#include <cmath>

#include "core/tensor.h"
#include "tests/catch.h"

using namespace weft;

namespace {

// The value of a float format with that many exponent and fraction bits, from its definition.
double value_of(std::uint32_t bits, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1, top = (1 << exponent_bits) - 1;
  const double sign = bits >> (exponent_bits + fraction_bits) & 1 ? -1 : 1;
  const int exponent = int(bits >> fraction_bits) & top;
  const double fraction = double(bits & ((1u << fraction_bits) - 1)) / double(1u << fraction_bits);
  if (exponent == top) return fraction == 0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias);
  return sign * std::ldexp(1 + fraction, exponent - bias);
}

// Rounding to nearest even by definition: the closer neighbour, the even one of two as close.
std::uint16_t nearest(double x, std::uint16_t below, int exponent_bits, int fraction_bits) {
  const auto above = std::uint16_t(below + 1);
  const double low = value_of(below, exponent_bits, fraction_bits),
               high_value = value_of(above, exponent_bits, fraction_bits);
  // The step beyond the largest finite value leads to infinity.
  const double high = std::isinf(high_value) ? std::ldexp(1.0, 1 << (exponent_bits - 1)) : high_value;
  if (x - low != high - x) return x - low < high - x ? below : above;
  return below % 2 == 0 ? below : above;
}

template <typename T>
void check_all(int exponent_bits, int fraction_bits) {
  const std::uint32_t infinity = ((1u << exponent_bits) - 1) << fraction_bits;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    T stored(0.0f);
    stored.bits = std::uint16_t(bits);
    const double want = value_of(bits, exponent_bits, fraction_bits);
    const auto got = float(stored);
    if (std::isnan(want)) {
      if (!std::isnan(got) || !std::isnan(float(T(got)))) FAIL("NaN " << bits);
      continue;
    }
    if (double(got) != want || std::signbit(got) != std::signbit(want)) FAIL("value of " << bits);
    if (T(got).bits != bits) FAIL("round trip of " << bits);
    if ((bits & 0x7fff) >= infinity) continue;
    // Floats between this value and the next: a quarter, just below and above half, half, three quarters.
    const double next = (bits & 0x7fff) + 1 == infinity ? std::copysign(std::ldexp(1.0, 1 << (exponent_bits - 1)), want)
                                                        : value_of(bits + 1, exponent_bits, fraction_bits);
    for (const double part : {0.25, 0.4999, 0.5, 0.5001, 0.75}) {
      const auto between = float(want + (next - want) * part);
      const auto magnitude = std::uint16_t(bits & 0x7fff);
      const std::uint16_t nearest_magnitude =
          nearest(std::fabs(double(between)), magnitude, exponent_bits, fraction_bits);
      if (T(between).bits != ((bits & 0x8000) | nearest_magnitude)) FAIL("rounding " << between);
    }
  }
}

}  // namespace

TEST_CASE("f16 converts exactly and rounds to nearest even, all 65,536 of it") { check_all<Half>(5, 10); }

TEST_CASE("bf16 converts exactly and rounds to nearest even, all 65,536 of it") { check_all<BFloat16>(8, 7); }

TEST_CASE("tensors convert 16-bit floats as the scalar conversions do") {
  const Tensor all = empty({65536}, {.dtype = DType::f16});
  for (int i = 0; i < 65536; ++i) all.data<Half>()[i].bits = std::uint16_t(i);
  const Tensor wide = all.to(DType::f32);
  for (int i = 0; i < 65536; ++i) {
    const auto want = float(all.data<Half>()[i]);
    const float got = wide.data<float>()[i];
    if (std::isnan(want) ? !std::isnan(got) : got != want) FAIL("f16 " << i);
  }
  const Tensor back = wide.to(DType::f16);
  for (int i = 0; i < 65536; ++i)
    if (!std::isnan(wide.data<float>()[i]) && back.data<Half>()[i].bits != i) FAIL("f16 back " << i);
}
