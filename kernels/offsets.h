// From a linear index to the places of an element in tensors of one shape and any strides, in 32-bit arithmetic. The
// host cuts larger tensors into pieces, each with addresses of its own, so that no kernel exists twice.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "core/random.h"
#include "kernels/strided.h"

namespace weft {

// Division of 32-bit numbers below 2^31 by one that the host knows: a multiplication and a shift (Granlund, Montgomery,
// "Division by invariant integers using multiplication", PLDI 1994).
class Divisor {
 public:
  Divisor() = default;
  explicit Divisor(std::uint64_t divisor) {
    if (divisor <= 1) return;
    shift_ = unsigned(std::bit_width(divisor - 1));
    factor_ = unsigned((((std::uint64_t{1} << shift_) - divisor) << 32) / divisor + 1);
  }
  WEFT_HOST_DEVICE unsigned quotient(unsigned n) const {
    return (unsigned(std::uint64_t{n} * factor_ >> 32) + n) >> shift_;
  }

 private:
  unsigned shift_ = 0, factor_ = 1;
};

// The places of item 0 … items - 1 in N tensors; a kernel argument. An item is an element, or a pack of them along the
// innermost axis.
template <int N>
struct Offsets {
  unsigned items = 0;
  int axes = 0;
  unsigned size[kMaxRank] = {};  // innermost first
  Divisor divide[kMaxRank];
  unsigned stride[N][kMaxRank] = {};

  // Packs of `pack` elements, which divides the size of the innermost axis. The tensors fit (for_each_piece).
  explicit Offsets(const MergedAxes<N>& merged, int pack = 1) : items(1), axes(merged.axes) {
    for (int i = 0; i < axes; ++i) {
      const int from = axes - 1 - i;
      const std::int64_t n = i == 0 ? merged.size[from] / pack : merged.size[from];
      items *= unsigned(n);
      size[i] = unsigned(n);
      divide[i] = Divisor(std::uint64_t(n));
      for (int k = 0; k < N; ++k) stride[k][i] = unsigned(merged.stride[k][from] * (i == 0 ? pack : 1));
    }
  }

  WEFT_HOST_DEVICE void locate(unsigned item, unsigned (&at)[N]) const {
    for (int k = 0; k < N; ++k) at[k] = 0;
    for (int i = 0; i < axes; ++i) {
      unsigned index = item;
      if (i + 1 < axes) {  // of the outermost axis, what is left is the index
        item = divide[i].quotient(item);
        index -= item * size[i];
      }
      for (int k = 0; k < N; ++k) at[k] += index * stride[k][i];
    }
  }
};

// Calls body(axes, start) for pieces of the tensors that are small enough for Offsets; start[k] is where the piece
// begins in operand k, in elements. There is none of an empty tensor.
template <int N, typename Body>
void for_each_piece(const MergedAxes<N>& merged, std::type_identity_t<std::array<std::int64_t, N>> start,
                    const Body& body) {
  if (merged.elements() == 0) return;
  bool fits = true;
  int widest = 0;
  std::int64_t most = 0;
  for (int k = 0; k < N; ++k) {
    std::int64_t last = 0;
    for (int i = 0; i < merged.axes; ++i) {
      const std::int64_t extent = (merged.size[i] - 1) * merged.stride[k][i];
      last += extent;
      if (extent > most) most = extent, widest = i;
    }
    fits = fits && last < std::int64_t{1} << 31;
  }
  if (fits) return body(merged, start);
  // Two halves of the axis that reaches furthest; a long one is cut at a multiple of 64, so that packs stay aligned.
  const std::int64_t n = merged.size[widest], half = n > 128 ? n / 2 / 64 * 64 : n / 2;
  MergedAxes<N> piece = merged;
  piece.size[widest] = half;
  for_each_piece(piece, start, body);
  piece.size[widest] = n - half;
  for (int k = 0; k < N; ++k) start[std::size_t(k)] += half * merged.stride[k][widest];
  for_each_piece(piece, start, body);
}
template <int N, typename Body>
void for_each_piece(const MergedAxes<N>& merged, const Body& body) {
  for_each_piece(merged, std::array<std::int64_t, N>{}, body);
}

}  // namespace weft
