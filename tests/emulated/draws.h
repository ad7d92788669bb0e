// Random numbers for tests, on the CPU; the seed names them.
#pragma once

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

}  // namespace weft::tests
