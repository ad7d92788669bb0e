// Lanes: a register of numbers with comparison and choice, for loops over the channels of a pixel: Wide<C> holds as
// many as a register, Single<C> one, so that one template serves channels-last and contiguous images. Loads and stores
// convert from and to the storage type and may be partial.
#pragma once

#include <cstring>

#include "kernels/cpu/vector.h"

namespace weft::cpu::WEFT_CPU_LEVEL {

// vector_size is GCC's and Clang's: arithmetic by lanes, comparisons give -1 or 0, `mask ? a : b` chooses by lanes.
template <typename C>
struct Wide {
  static constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(C));
  typedef C Values __attribute__((vector_size(kVectorBytes)));  // NOLINT(modernize-use-using)
  using Place = std::conditional_t<sizeof(C) == 4, std::int32_t, std::int64_t>;
  typedef Place Places __attribute__((vector_size(kVectorBytes)));  // NOLINT(modernize-use-using)

  static Values all(C value) { return value - Values{}; }
  static Places places(std::int64_t place) { return static_cast<Place>(place) - Places{}; }

  // Lanes beyond `lanes` are 0.
  template <typename T>
  static Values load(const T* from, int lanes) {
    if constexpr (std::is_same_v<T, C>) {
      const Vec<C> vector = lanes == kLanes ? Vec<C>::load(from) : Vec<C>::load(from, Vec<C>::first(lanes));
      return std::bit_cast<Values>(vector);
    } else {
      C values[kLanes] = {};
      if (lanes == kLanes)
        for (int i = 0; i < kLanes; ++i) values[i] = static_cast<C>(from[i]);
      else
        for (int i = 0; i < lanes; ++i) values[i] = static_cast<C>(from[i]);
      return std::bit_cast<Values>(values);
    }
  }
  template <typename T>
  static void store(Values values, T* to, int lanes) {
    if constexpr (std::is_same_v<T, C>) {
      const auto vector = std::bit_cast<Vec<C>>(values);
      lanes == kLanes ? vector.store(to) : vector.store(to, Vec<C>::first(lanes));
    } else {
      store_each(values, to, lanes);
    }
  }
  template <typename I>
  static Places load_places(const I* from, int lanes) {
    Place places[kLanes] = {};
    if (lanes == kLanes)
      for (int i = 0; i < kLanes; ++i) places[i] = static_cast<Place>(from[i]);
    else
      for (int i = 0; i < lanes; ++i) places[i] = static_cast<Place>(from[i]);
    return std::bit_cast<Places>(places);
  }
  template <typename I>
  static void store_places(Places places, I* to, int lanes) {
    store_each(places, to, lanes);
  }

 private:
  template <typename V, typename T>
  static void store_each(const V& vector, T* to, int lanes) {
    if (lanes == kLanes)
      for (int i = 0; i < kLanes; ++i) to[i] = static_cast<T>(vector[i]);
    else
      for (int i = 0; i < lanes; ++i) to[i] = static_cast<T>(vector[i]);
  }
};

template <typename C>
struct Single {
  static constexpr int kLanes = 1;
  using Values = C;
  using Places = std::int64_t;
  static Values all(C value) { return value; }
  static Places places(std::int64_t place) { return place; }
  template <typename T>
  static Values load(const T* from, int) {
    return static_cast<C>(*from);
  }
  template <typename T>
  static void store(Values value, T* to, int) {
    *to = static_cast<T>(value);
  }
  template <typename I>
  static Places load_places(const I* from, int) {
    return *from;
  }
  template <typename I>
  static void store_places(Places place, I* to, int) {
    *to = static_cast<I>(place);
  }
};

}  // namespace weft::cpu::WEFT_CPU_LEVEL
