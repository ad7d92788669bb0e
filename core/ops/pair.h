// Pair: the height and width of a window, a step or a border; one number stands for both.
#pragma once

#include <string>

namespace weft {

struct Pair {
  int h = 0, w = 0;
  // NOLINTNEXTLINE(google-explicit-constructor): lets {.stride = 2} stand for both directions.
  constexpr Pair(int both) : h(both), w(both) {}
  constexpr Pair(int height, int width) : h(height), w(width) {}
  friend constexpr bool operator==(const Pair&, const Pair&) = default;
};

inline std::string to_string(const Pair& p) { return "(" + std::to_string(p.h) + ", " + std::to_string(p.w) + ")"; }

}  // namespace weft
