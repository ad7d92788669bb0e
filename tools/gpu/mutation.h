// For kernels whose source tools/gpu/mutate has changed: all mutants of a file are compiled at once, and the variable
// WEFT_MUTANT=number chooses the one that is alive; without it, the code does what the original does. No source of the
// tree includes this header.
//
// `a < b` becomes `a < Less{7} > b`: the operators keep their precedence, so that the text needs no parser.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <type_traits>

namespace weft_mutation {

inline constexpr int kMost = 1 << 16;

// Which mutants the run has come to; written to the file that WEFT_MUTATION_TRACE names, one number a line.
class Trace {
 public:
  ~Trace() {
    std::FILE* file = path_ ? std::fopen(path_, "w") : nullptr;
    for (int i = 0; file && i < kMost; ++i)
      if (reached_[static_cast<std::size_t>(i)]) std::fprintf(file, "%d\n", i);
    if (file) std::fclose(file);
  }
  bool on() const { return path_ != nullptr; }
  void note(int mutant) { reached_[static_cast<std::size_t>(mutant)] = true; }

 private:
  const char* path_ = std::getenv("WEFT_MUTATION_TRACE");
  std::array<bool, kMost> reached_{};
};
inline Trace trace;
inline const int chosen = std::getenv("WEFT_MUTANT") ? std::atoi(std::getenv("WEFT_MUTANT")) : -1;

inline bool alive(int mutant) {
  if (trace.on()) [[unlikely]]
    trace.note(mutant);
  return chosen == mutant;
}

// Index code compares integers; comparisons of values, and of constants, stay as they are.
template <typename L, typename R>
constexpr bool alive_between(int mutant) {
  if constexpr (std::is_integral_v<L> && std::is_integral_v<R> && !std::is_same_v<L, bool>)
    return !std::is_constant_evaluated() && alive(mutant);
  return false;
}

struct Less {
  int mutant;
};
struct LessEqual {
  int mutant;
};
struct Greater {
  int mutant;
};
struct GreaterEqual {
  int mutant;
};
// >= 0 becomes >= -1.
struct NotNegative {
  int mutant;
};

template <typename T, typename Operator>
struct Left {
  const T& value;
  int mutant;
};
template <typename T>
constexpr Left<T, Less> operator<(const T& value, Less at) {
  return {value, at.mutant};
}
template <typename T>
constexpr Left<T, LessEqual> operator<(const T& value, LessEqual at) {
  return {value, at.mutant};
}
template <typename T>
constexpr Left<T, Greater> operator<(const T& value, Greater at) {
  return {value, at.mutant};
}
template <typename T>
constexpr Left<T, GreaterEqual> operator<(const T& value, GreaterEqual at) {
  return {value, at.mutant};
}
template <typename T>
constexpr Left<T, NotNegative> operator<(const T& value, NotNegative at) {
  return {value, at.mutant};
}

template <typename L, typename R>
constexpr bool operator>(const Left<L, Less>& left, const R& right) {
  return alive_between<L, R>(left.mutant) ? left.value <= right : left.value < right;
}
template <typename L, typename R>
constexpr bool operator>(const Left<L, LessEqual>& left, const R& right) {
  return alive_between<L, R>(left.mutant) ? left.value <= right || left.value == right + 1 : left.value <= right;
}
template <typename L, typename R>
constexpr bool operator>(const Left<L, Greater>& left, const R& right) {
  return alive_between<L, R>(left.mutant) ? left.value >= right : left.value > right;
}
template <typename L, typename R>
constexpr bool operator>(const Left<L, GreaterEqual>& left, const R& right) {
  return alive_between<L, R>(left.mutant) ? left.value > right : left.value >= right;
}
template <typename L, typename R>
constexpr bool operator>(const Left<L, NotNegative>& left, const R& right) {
  return alive_between<L, R>(left.mutant) ? left.value + 1 >= right : left.value >= right;
}

}  // namespace weft_mutation
