// Scoped: gives a variable, mostly a thread-local one, another value until the end of the scope.
#pragma once

#include <utility>

namespace weft {

template <class T>
class Scoped {
 public:
  Scoped(T& variable, T value) : variable_(variable), outer_(std::exchange(variable, std::move(value))) {}
  ~Scoped() { variable_ = std::move(outer_); }
  Scoped(const Scoped&) = delete;
  Scoped& operator=(const Scoped&) = delete;

 private:
  T& variable_;
  T outer_;
};

}  // namespace weft
