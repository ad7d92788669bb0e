// Half (IEEE binary16) and BFloat16 as storage types: they hold bits and convert to and from float, rounding to
// nearest even. Arithmetic is done in f32; there are no operators here on purpose.
#pragma once

#include <bit>
#include <cstdint>

namespace weft {

struct Half {
  std::uint16_t bits;
  Half() = default;
  explicit constexpr Half(float value) : bits(round(value)) {}
  explicit constexpr operator float() const {
    const std::uint32_t sign = std::uint32_t(bits & 0x8000u) << 16;
    const std::uint32_t magnitude = std::uint32_t(bits & 0x7fffu) << 13;
    if (magnitude >= 0x0f800000u) return std::bit_cast<float>(sign | magnitude | 0x7f800000u);  // inf, nan
    // Scaling by 2^112 moves the exponent bias from 15 to 127 and normalises subnormals on the way.
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f));
  }

 private:
  static constexpr std::uint16_t round(float value) {
    const std::uint32_t x = std::bit_cast<std::uint32_t>(value);
    const std::uint16_t sign = std::uint16_t(x >> 16 & 0x8000u);
    const std::uint32_t magnitude = x & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return std::uint16_t(sign | 0x7e00u | (magnitude >> 13 & 0x1ffu));  // nan, quiet
    if (magnitude >= 0x477ff000u) return std::uint16_t(sign | 0x7c00u);                              // 65520 and up
    if (magnitude < 0x38800000u) {
      // Below 2^-14: adding 0.5 puts the subnormal's last bit at the float's last bit, so the hardware rounds for us.
      const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
      return std::uint16_t(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
    }
    const std::uint32_t odd = magnitude >> 13 & 1u;
    return std::uint16_t(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
  }
};

struct BFloat16 {
  std::uint16_t bits;
  BFloat16() = default;
  explicit constexpr BFloat16(float value) : bits(round(value)) {}
  explicit constexpr operator float() const { return std::bit_cast<float>(std::uint32_t(bits) << 16); }

 private:
  static constexpr std::uint16_t round(float value) {
    const std::uint32_t x = std::bit_cast<std::uint32_t>(value);
    if ((x & 0x7fffffffu) > 0x7f800000u) return std::uint16_t(x >> 16 | 0x40u);  // nan, quiet
    return std::uint16_t((x + 0x7fffu + (x >> 16 & 1u)) >> 16);
  }
};

}  // namespace weft
