// The element types of tensors, their names, and the one step from a run-time dtype to a static type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/float16.h"

namespace weft {

enum class DType : std::uint8_t { f32, f64, f16, bf16, i32, i64, u8, boolean };
inline constexpr int kDTypes = 8;

constexpr std::size_t bytes_of(DType dtype) {
  constexpr std::size_t table[kDTypes] = {4, 8, 2, 2, 4, 8, 1, 1};
  return table[static_cast<int>(dtype)];
}
constexpr bool is_floating(DType dtype) { return dtype <= DType::bf16; }

// "f32", "boolean", …: as in the source and on the command line ("float32", "bool" … are read too).
WEFT_API std::string to_string(DType dtype);
WEFT_API std::optional<DType> parse_dtype(std::string_view name);

template <typename T>
struct dtype_of;
template <>
struct dtype_of<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct dtype_of<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct dtype_of<Half> {
  static constexpr DType value = DType::f16;
};
template <>
struct dtype_of<BFloat16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct dtype_of<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct dtype_of<std::int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct dtype_of<std::uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct dtype_of<bool> {
  static constexpr DType value = DType::boolean;
};
template <typename T>
inline constexpr DType kDTypeOf = dtype_of<T>::value;

// The type arithmetic is done in: f32 for the 16-bit floats, the type itself otherwise.
template <typename T>
struct compute_type {
  using type = T;
};
template <>
struct compute_type<Half> {
  using type = float;
};
template <>
struct compute_type<BFloat16> {
  using type = float;
};
template <typename T>
using Compute = typename compute_type<T>::type;

[[noreturn]] WEFT_API void refuse_dtype(DType dtype, std::string_view op, std::string_view wanted);

// visit_floating(x.dtype(), "softmax", [&]<typename T>() { … }) calls the body with T = float, double, Half, BFloat16.
template <typename F>
decltype(auto) visit_floating(DType dtype, std::string_view op, F&& body) {
  switch (dtype) {
    case DType::f32: return std::forward<F>(body).template operator()<float>();
    case DType::f64: return std::forward<F>(body).template operator()<double>();
    case DType::f16: return std::forward<F>(body).template operator()<Half>();
    case DType::bf16: return std::forward<F>(body).template operator()<BFloat16>();
    default: refuse_dtype(dtype, op, "f32, f64, f16 or bf16");
  }
}
// The same for every dtype but boolean.
template <typename F>
decltype(auto) visit_numeric(DType dtype, std::string_view op, F&& body) {
  switch (dtype) {
    case DType::i32: return std::forward<F>(body).template operator()<std::int32_t>();
    case DType::i64: return std::forward<F>(body).template operator()<std::int64_t>();
    case DType::u8: return std::forward<F>(body).template operator()<std::uint8_t>();
    case DType::boolean: refuse_dtype(dtype, op, "a number");
    default: return visit_floating(dtype, op, std::forward<F>(body));
  }
}
// The same for every dtype.
template <typename F>
decltype(auto) visit_any(DType dtype, std::string_view op, F&& body) {
  if (dtype == DType::boolean) return std::forward<F>(body).template operator()<bool>();
  return visit_numeric(dtype, op, std::forward<F>(body));
}
// The dtypes class indices come in.
template <typename F>
decltype(auto) visit_index(DType dtype, std::string_view op, F&& body) {
  switch (dtype) {
    case DType::i32: return std::forward<F>(body).template operator()<std::int32_t>();
    case DType::i64: return std::forward<F>(body).template operator()<std::int64_t>();
    case DType::u8: return std::forward<F>(body).template operator()<std::uint8_t>();
    default: refuse_dtype(dtype, op, "an integer type (i32, i64 or u8)");
  }
}

}  // namespace weft
