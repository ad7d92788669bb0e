// One element of one dtype as another, as core/ops/copy.h promises it; shared by CPU and CUDA, so that both give the
// same bits.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/dtype.h"
#include "core/random.h"

namespace weft::functors {

// Double to float, rounded to odd: a further rounding to 16 bits then gives what direct rounding would.
WEFT_HOST_DEVICE inline float to_odd_float(double value) {
  const float nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || value != value) return nearest;
  auto bits = std::bit_cast<std::uint32_t>(nearest);
  if (std::fabs(static_cast<double>(nearest)) > std::fabs(value)) --bits;
  return std::bit_cast<float>(bits | 1u);
}

// Truncated toward zero, kept in [low, high]; NaN gives 0.
WEFT_HOST_DEVICE inline std::int64_t to_integer(double value, std::int64_t low, std::int64_t high) {
  if (!(value > static_cast<double>(low))) return value <= static_cast<double>(low) ? low : 0;
  return value >= static_cast<double>(high) ? high : static_cast<std::int64_t>(value);
}

template <typename To, typename From>
WEFT_HOST_DEVICE To convert(From from) {
  if constexpr (std::is_same_v<To, From>) {
    return from;
  } else {
    const auto value = static_cast<Compute<From>>(from);
    constexpr bool kToSixteenBits = std::is_same_v<Compute<To>, float> && !std::is_same_v<To, float>;
    if constexpr (std::is_same_v<To, bool>)
      return value != 0;
    else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<Compute<From>>)
      return static_cast<To>(
          to_integer(static_cast<double>(value), std::numeric_limits<To>::min(), std::numeric_limits<To>::max()));
    else if constexpr (kToSixteenBits && !std::is_same_v<Compute<From>, float>)
      return To(to_odd_float(static_cast<double>(value)));
    else
      return static_cast<To>(value);
  }
}

}  // namespace weft::functors
