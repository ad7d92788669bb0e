// Loops over the channels of features (N, C) or images, for normalisations: numbers per channel are kept as rows that
// lie beside the data, so that both memory formats are one vectorised loop. Where channels are adjacent a row is one or
// more pixels; where planes are, it is a piece of a plane, whose numbers are all the same.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "core/parallel.h"
#include "core/tensor.h"
#include "kernels/cpu/buffer.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {

// How the channels of a tensor lie. A unit is a pixel where channels are adjacent, an element of a plane otherwise.
struct Channels {
  bool last;  // channels are adjacent
  std::int64_t channels;
  std::int64_t images;  // N
  std::int64_t pixels;  // of an image
  bool dense;

  explicit Channels(const Tensor& x)
      : last(x.rank() == 2 || x.channels_last()),
        channels(x.size(1)),
        images(x.size(0)),
        pixels(x.rank() == 2 ? 1 : x.size(2) * x.size(3)),
        dense(x.layout().dense()) {}
  std::int64_t values() const { return images * pixels; }  // per channel
};

// A tensor read unit by unit. An undefined one is never read.
template <typename T>
struct Operand {
  const T* data = nullptr;
  std::int64_t pitch = 1;  // from unit to unit

  explicit Operand(const Tensor& x) {
    if (!x.defined()) return;
    data = x.data<T>();
    pitch = x.rank() == 2 ? x.size(1) : (x.channels_last() ? x.layout().pitch() : 1);
  }
  const T* at(std::int64_t unit) const { return data + unit * pitch; }
};
template <typename T>
struct OutputOf {
  T* data = nullptr;
  std::int64_t pitch = 1;

  explicit OutputOf(const Tensor& x) : pitch(Operand<T>(x).pitch) {
    if (x.defined()) data = x.data<T>();
  }
  T* at(std::int64_t unit) const { return data + unit * pitch; }
};

inline bool all_dense(std::initializer_list<const Tensor*> tensors) {
  return std::all_of(tensors.begin(), tensors.end(),
                     [](const Tensor* x) { return !x->defined() || x->layout().dense(); });
}

// A row of lanes: `units` times the numbers of `adjacent` channels.
struct Lanes {
  static constexpr std::int64_t kWidth = 64;  // lanes worth a row
  std::int64_t adjacent, units;

  // Pixels are joined to rows only where all tensors are dense.
  static Lanes of(const Channels& x, bool dense) {
    if (!x.last) return {1, kWidth};
    return {x.channels, dense ? std::max<std::int64_t>(1, kWidth / std::max<std::int64_t>(1, x.channels)) : 1};
  }
  std::int64_t width() const { return adjacent * units; }
  // Copies the first unit's numbers to the others.
  template <typename C>
  void repeat(C* row) const {
    for (std::int64_t v = adjacent; v < width(); ++v) row[v] = row[v - adjacent];
  }
};

// Two sums per lane over a block of rows, then per channel.
template <typename C>
class LaneSums {
 public:
  explicit LaneSums(const Lanes& lanes)
      : first(lanes.adjacent), second(lanes.adjacent), lanes_(lanes), a_(lanes.width()), b_(lanes.width()) {
    clear();
  }
  // Adds what f.at(unit)(lane, a, b) adds for the units [begin, end).
  template <typename F>
  void add(const F& f, std::int64_t begin, std::int64_t end) const {
    const std::int64_t step = lanes_.units;
    for (; begin + 4 * step <= end; begin += 4 * step)
      add_rows(std::array{f.at(begin), f.at(begin + step), f.at(begin + 2 * step), f.at(begin + 3 * step)},
               lanes_.width());
    for (; begin + step <= end; begin += step) add_rows(std::array{f.at(begin)}, lanes_.width());
    if (begin < end) add_rows(std::array{f.at(begin)}, (end - begin) * lanes_.adjacent);
  }
  // Moves the sums of the lanes to first and second, per channel.
  void fold() const {
    const std::int64_t channels = lanes_.adjacent;
    for (std::int64_t c = 0; c < channels; ++c) first[c] = a_[c], second[c] = b_[c];
    for (std::int64_t unit = 1; unit < lanes_.units; ++unit)
      for (std::int64_t c = 0; c < channels; ++c) {
        first[c] += a_[unit * channels + c];
        second[c] += b_[unit * channels + c];
      }
    clear();
  }

  Buffer<double> first, second;

 private:
  void clear() const {
    std::fill_n(a_.data(), lanes_.width(), C(0));
    std::fill_n(b_.data(), lanes_.width(), C(0));
  }
  template <typename Row, std::size_t N>
  void add_rows(const std::array<Row, N> rows, std::int64_t width) const {
    C *const a = a_.data(), *const b = b_.data();
#pragma omp simd
    for (std::int64_t v = 0; v < width; ++v) {
      C sum_a = a[v], sum_b = b[v];
#pragma GCC unroll 4
      for (std::size_t r = 0; r < N; ++r) rows[r](v, sum_a, sum_b);
      a[v] = sum_a, b[v] = sum_b;
    }
  }

  Lanes lanes_;
  Buffer<C> a_, b_;
};

// The units [begin, end).
struct Block {
  std::int64_t begin, end;
};

// The partition of sums per channel. Where channels are adjacent: pieces of the pixels, all channels each. Where planes
// are: each channel on its own, and pieces of the images where there are few channels. It follows from the shape.
struct Parts {
  static constexpr std::int64_t kMost = 32;       // pieces
  static constexpr std::int64_t kWork = 32'768;   // elements worth a piece
  static constexpr std::int64_t kBlockRows = 64;  // rows that are summed in the compute type
  std::int64_t pieces;
  std::int64_t count;  // pieces * channels

  explicit Parts(const Channels& x) {
    const std::int64_t worth = std::clamp<std::int64_t>(x.channels * x.values() / kWork, 1, kMost);
    const std::int64_t wanted = x.last ? worth : worth / std::max<std::int64_t>(1, x.channels);
    pieces = std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(1, x.last ? x.values() : x.images));
    count = pieces * x.channels;
  }

  // body(slot, lanes, first block, walk) for each part; its results per channel belong at slot, slot + 1, … of arrays
  // [pieces][channels]. walk(add, end_block) calls add(begin, end) for ranges of units, and end_block(units) after
  // each block of them.
  template <typename Body>
  void each(const Channels& x, bool dense, Body&& body) const {
    const Lanes lanes = Lanes::of(x, dense);
    const std::int64_t total = x.last ? x.values() : x.images, block = kBlockRows * lanes.units;
    parallel_parts(x.last ? pieces : pieces * x.channels, [&](std::int64_t part) {
      const std::int64_t piece = x.last ? part : part / x.channels, channel = x.last ? 0 : part % x.channels;
      const std::int64_t begin = total * piece / pieces, end = total * (piece + 1) / pieces;
      if (x.last) {
        body(piece * x.channels, lanes, Block{begin, std::min(end, begin + block)}, [&](auto&& add, auto&& end_block) {
          for (std::int64_t u = begin; u < end; u += block) {
            add(u, std::min(end, u + block));
            end_block(std::min(end, u + block) - u);
          }
        });
      } else {
        const auto plane = [&](std::int64_t image) { return (image * x.channels + channel) * x.pixels; };
        const std::int64_t first = plane(begin);
        body(piece * x.channels + channel, lanes, Block{first, first + std::min(block, x.pixels)},
             [&](auto&& add, auto&& end_block) {
               std::int64_t pending = 0;
               for (std::int64_t image = begin; image < end; ++image)
                 for (std::int64_t u = 0; u < x.pixels; u += block) {
                   const std::int64_t n = std::min(block, x.pixels - u);
                   add(plane(image) + u, plane(image) + u + n);
                   pending += n;
                   if (pending < block && (image + 1 < end || u + block < x.pixels)) continue;
                   end_block(pending);
                   pending = 0;
                 }
             });
      }
    });
  }
};

// Calls body(first unit, n lanes, row 0, row 1, …) for all units, rows being kNumbers numbers per channel in lanes;
// they come from numbers(channel, C* at) with at[0 … kNumbers).
template <typename C, int kNumbers, typename Numbers, typename Body>
void each_row(const Channels& x, bool dense, Numbers&& numbers, Body&& body) {
  const Lanes lanes = Lanes::of(x, dense);
  const Buffer<C> table(kNumbers * x.channels);  // [channel][number]
  for (std::int64_t c = 0; c < x.channels; ++c) numbers(c, table.data() + c * kNumbers);
  const auto run = [&]<int... I>(std::integer_sequence<int, I...>, const C* rows, std::int64_t width,
                                 std::int64_t begin, std::int64_t end) {
    for (std::int64_t u = begin; u < end; u += lanes.units)
      body(u, std::min(lanes.units, end - u) * lanes.adjacent, (rows + I * width)...);
  };
  constexpr std::make_integer_sequence<int, kNumbers> kAll;
  if (x.last) {
    const std::int64_t width = lanes.width();
    const Buffer<C> rows(kNumbers * width);
    for (int i = 0; i < kNumbers; ++i) {
      for (std::int64_t c = 0; c < x.channels; ++c) rows[i * width + c] = table[c * kNumbers + i];
      lanes.repeat(rows.data() + i * width);
    }
    parallel_for(x.values(), 1 + Parts::kWork / (x.channels + 1),
                 [&](std::int64_t begin, std::int64_t end) { run(kAll, rows.data(), width, begin, end); });
    return;
  }
  parallel_for(x.images * x.channels, 1 + Parts::kWork / (x.pixels + 1), [&](std::int64_t begin, std::int64_t end) {
    alignas(64) C rows[kNumbers * Lanes::kWidth];
    const std::int64_t width = std::min(Lanes::kWidth, x.pixels);
    for (std::int64_t plane = begin; plane < end; ++plane) {
      const C* const values = table.data() + plane % x.channels * kNumbers;
      for (int i = 0; i < kNumbers; ++i) std::fill_n(rows + i * width, width, values[i]);
      run(kAll, rows, width, plane * x.pixels, (plane + 1) * x.pixels);
    }
  });
}

}  // namespace weft::cpu::WEFT_CPU_LEVEL
