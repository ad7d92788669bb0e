// Shape: the sizes of a tensor's axes, outermost first, held inline. Rank 0 is a scalar.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "core/error.h"

namespace weft {

inline constexpr int kMaxRank = 8;

// A short list of 64-bit integers: sizes or strides. Trivially copyable, so it can be a kernel argument.
class Sizes {
 public:
  constexpr Sizes() = default;
  constexpr Sizes(std::initializer_list<std::int64_t> values) : Sizes(std::span(values.begin(), values.size())) {}
  constexpr explicit Sizes(std::span<const std::int64_t> values) {
    require(values.size() <= kMaxRank, "shape", "at most ", kMaxRank, " axes, got ", values.size());
    for (const std::int64_t v : values) values_[rank_++] = v;
  }

  constexpr int rank() const { return rank_; }
  constexpr std::int64_t operator[](int axis) const { return values_[axis]; }
  constexpr std::int64_t& operator[](int axis) { return values_[axis]; }
  constexpr const std::int64_t* begin() const { return values_; }
  constexpr const std::int64_t* end() const { return values_ + rank_; }
  constexpr std::int64_t back() const { return values_[rank_ - 1]; }
  constexpr void push_back(std::int64_t v) {
    require(rank_ < kMaxRank, "shape", "at most ", kMaxRank, " axes");
    values_[rank_++] = v;
  }
  constexpr void erase(int axis) {
    std::copy(values_ + axis + 1, values_ + rank_, values_ + axis);
    --rank_;
  }
  constexpr void insert(int axis, std::int64_t v) {
    push_back(v);
    std::rotate(values_ + axis, values_ + rank_ - 1, values_ + rank_);
  }
  friend constexpr bool operator==(const Sizes& a, const Sizes& b) {
    return a.rank_ == b.rank_ && std::equal(a.begin(), a.end(), b.begin());
  }

 private:
  std::int64_t values_[kMaxRank] = {};
  int rank_ = 0;
};

using Strides = Sizes;  // in elements

class Shape : public Sizes {
 public:
  using Sizes::Sizes;
  constexpr std::int64_t elements() const {
    std::int64_t product = 1;
    for (const std::int64_t size : *this) product *= size;
    return product;
  }
};

WEFT_API std::string to_string(const Sizes& sizes);  // "(2, 3)", "(5,)", "()"

// axis in [-rank, rank) as one in [0, rank); throws naming op otherwise.
WEFT_API int normalize_axis(int axis, int rank, std::string_view op);

// The shape that both broadcast to (NumPy's rule); throws naming op when there is none.
WEFT_API Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view op);

}  // namespace weft
