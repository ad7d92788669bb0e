// Lanes: a register of numbers with comparison and choice, for loops over the channels of a pixel: Wide<C> holds as
// many as a register, Single<C> one, so that one template serves channels-last and contiguous images. Loads and stores
// convert from and to the storage type and may be partial.
#pragma once

#include <bit>
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
    if constexpr (std::is_same_v<T, C>)
      return std::bit_cast<Values>(lanes == kLanes ? Vec<C>::load(from) : Vec<C>::load(from, Vec<C>::first(lanes)));
    else
      return std::bit_cast<Values>(load_each<C>(from, lanes));
  }
  template <typename T>
  static void store(Values values, T* to, int lanes) {
    if constexpr (std::is_same_v<T, C>) {
      const auto vector = std::bit_cast<Vec<C>>(values);
      lanes == kLanes ? vector.store(to) : vector.store(to, Vec<C>::first(lanes));
    } else {
      store_each(std::bit_cast<Array<C>>(values), to, lanes);
    }
  }
  template <typename I>
  static Places load_places(const I* from, int lanes) {
    return std::bit_cast<Places>(load_each<Place>(from, lanes));
  }
  template <typename I>
  static void store_places(Places places, I* to, int lanes) {
    store_each(std::bit_cast<Array<Place>>(places), to, lanes);
  }

 private:
  template <typename T>
  struct Array {
    T at[kLanes];
  };
  // A few bytes stay in registers: a load right after several smaller stores would wait for them.
  struct Words {
    std::uint64_t low, high;
  };
  static std::uint64_t some_bytes(const void* from, int bytes) {
    const auto* at = static_cast<const unsigned char*>(from);
    std::uint64_t out = 0;
    if (bytes >= 8) {
      std::memcpy(&out, at, 8);
      return out;
    }
    if (bytes <= 0) return out;
    int place = 0;
    const auto take = [&]<typename Part>(Part part, int size) {
      if ((bytes & size) == 0) return;
      std::memcpy(&part, at + place, sizeof part);
      out |= std::uint64_t{part} << 8 * place;
      place += size;
    };
    take(std::uint32_t{}, 4), take(std::uint16_t{}, 2), take(std::uint8_t{}, 1);
    return out;
  }
  static void put_bytes(std::uint64_t word, void* to, int bytes) {
    auto* at = static_cast<unsigned char*>(to);
    if (bytes >= 8) {
      std::memcpy(at, &word, 8);
      return;
    }
    if (bytes <= 0) return;
    const auto put = [&]<typename Part>(Part part, int size) {
      if ((bytes & size) == 0) return;
      part = static_cast<Part>(word);
      std::memcpy(at, &part, sizeof part);
      at += size, word >>= 8 * size;
    };
    put(std::uint32_t{}, 4), put(std::uint16_t{}, 2), put(std::uint8_t{}, 1);
  }
  // Conversions go over all lanes, in a copy where there are fewer: so they are vector instructions.
  template <typename To, typename T>
  static Array<To> load_each(const T* from, int lanes) {
    Array<T> raw;
    if (lanes == kLanes) {
      std::memcpy(&raw, from, sizeof raw);
    } else if constexpr (sizeof raw == 16 && sizeof(T) == 1) {
      raw = std::bit_cast<Array<T>>(Words{some_bytes(from, lanes), some_bytes(from + 8, lanes - 8)});
    } else if constexpr (sizeof raw == 8 && sizeof(T) == 1) {
      raw = std::bit_cast<Array<T>>(some_bytes(from, lanes));
    } else {
      std::memset(&raw, 0, sizeof raw);
      for (int i = 0; i < lanes; ++i) raw.at[i] = from[i];
    }
    Array<To> out;
    for (int i = 0; i < kLanes; ++i) out.at[i] = static_cast<To>(raw.at[i]);
    return out;
  }
  template <typename From, typename T>
  static void store_each(const Array<From>& values, T* to, int lanes) {
    Array<T> raw;
    for (int i = 0; i < kLanes; ++i) raw.at[i] = static_cast<T>(values.at[i]);
    if (lanes == kLanes) {
      std::memcpy(to, &raw, sizeof raw);
    } else if constexpr (sizeof raw == 16 && sizeof(T) == 1) {
      const Words words = std::bit_cast<Words>(raw);
      put_bytes(words.low, to, lanes);
      put_bytes(words.high, to + 8, lanes - 8);
    } else if constexpr (sizeof raw == 8 && sizeof(T) == 1) {
      put_bytes(std::bit_cast<std::uint64_t>(raw), to, lanes);
    } else {
      for (int i = 0; i < lanes; ++i) to[i] = raw.at[i];
    }
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
