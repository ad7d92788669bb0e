// What tests draw and compare: random numbers on the CPU, which a seed names, and the words of an error.
#pragma once

#include <functional>
#include <string>

#include "core/error.h"
#include "core/ops/random.h"

namespace weft::tests {

inline Tensor uniform(const Shape& shape, double low, double high, DType dtype, std::uint64_t seed) {
  const Tensor x = empty(shape, {.dtype = DType::f64});
  uniform_(x, low, high, {seed, 0});
  return x.to(dtype);
}
// Of low, low + 1, … high - 1.
inline Tensor integers(const Shape& shape, std::int64_t low, std::int64_t high, std::uint64_t seed) {
  const Tensor x = uniform(shape, 0, double(high - low), DType::f64, seed).to(DType::i64), y = empty_like(x);
  for (std::int64_t i = 0; i < x.elements(); ++i)
    y.values<std::int64_t>()[std::size_t(i)] = x.values<std::int64_t>()[std::size_t(i)] + low;
  return y;
}

// "usage: what was said", with the kind that the error has; "none" when there is none.
inline std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    constexpr const char* kinds[] = {"internal", "usage", "data", "out of memory", "diverged", "peer"};
    return std::string(kinds[int(error.kind()) - 1]) + ": " + error.what();
  }
  return "none";
}

}  // namespace weft::tests
