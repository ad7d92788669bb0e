// Loops over the channels of features (N, C) or images, for normalisations: numbers per channel are kept as rows that
// lie beside the data, so that both memory formats are one vectorised loop. Where channels are adjacent a row is one or
// more pixels; where planes are, it is a piece of a plane, whose numbers are all the same, or several short planes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <utility>

#include "core/parallel.h"
#include "core/tensor.h"
#include "kernels/cpu/buffer.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {

// Note [Short planes] A loop over a plane of few pixels is mostly its beginning and its end. So a row is the planes of
// adjacent channels of one image, each channel's number repeated beside all of its pixels, and the next row is that of
// the next image: a row's numbers and sums are made once for many images, and are few enough for the L1 cache.

// How the channels of a tensor lie. A unit is a pixel where channels are adjacent, a plane where planes are short, and
// an element of a plane otherwise.
struct Channels {
  static constexpr std::int64_t kShort = 256;  // pixels of a short plane
  static constexpr std::int64_t kRow = 1024;   // elements worth a row of short planes
  bool last;                                   // channels are adjacent
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
  bool short_planes() const { return !last && pixels <= kShort; }
  // The channels are taken in groups of about the same size, each within a row.
  std::int64_t groups() const {
    if (last) return 1;
    const std::int64_t most = short_planes() ? std::max<std::int64_t>(1, kRow / std::max<std::int64_t>(1, pixels)) : 1;
    return (channels + most - 1) / most;
  }
  std::int64_t together() const { return (channels + groups() - 1) / std::max<std::int64_t>(1, groups()); }
  // The first unit of a plane, where planes are.
  std::int64_t plane(std::int64_t image, std::int64_t channel) const {
    return (image * channels + channel) * (short_planes() ? 1 : pixels);
  }
};

// A tensor read unit by unit. An undefined one is never read.
template <typename T>
struct Operand {
  const T* data = nullptr;
  std::int64_t pitch = 1;  // from unit to unit

  explicit Operand(const Tensor& x) {
    if (!x.defined()) return;
    data = x.data<T>();
    if (const Channels in(x); !in.last)
      pitch = in.short_planes() ? in.pixels : 1;
    else
      pitch = x.rank() == 2 ? x.size(1) : x.layout().pitch();
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

// A row of lanes: `copies` times the numbers of `adjacent` channels, `span` lanes each.
struct Lanes {
  static constexpr std::int64_t kWidth = 64;  // lanes worth a row
  std::int64_t adjacent;
  std::int64_t units;  // from a row to the next
  std::int64_t span = 1;
  std::int64_t copies = units;

  // The row that begins with a channel. Pixels are joined to rows only where all tensors are dense.
  static Lanes of(const Channels& x, bool dense, std::int64_t channel) {
    if (x.short_planes()) return {std::min(x.together(), x.channels - channel), x.channels, x.pixels, 1};
    if (!x.last) return {1, kWidth};
    return {x.channels, dense ? std::max<std::int64_t>(1, kWidth / std::max<std::int64_t>(1, x.channels)) : 1};
  }
  std::int64_t width() const { return adjacent * span * copies; }
  // Copies the numbers of the channels, which stand at the beginning, to all their lanes.
  template <typename C>
  void repeat(C* row) const {
    if (span > 1)  // from the last one on: none is overwritten before it is read
      for (std::int64_t c = adjacent - 1; c >= 0; --c) std::fill_n(row + c * span, span, C(row[c]));
    for (std::int64_t v = adjacent * span; v < width(); ++v) row[v] = row[v - adjacent * span];
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
    const std::int64_t channels = lanes_.adjacent, span = lanes_.span;
    if (span > 1)
      for (std::int64_t c = 0; c < channels; ++c) {
        const C *const a = a_.data() + c * span, *const b = b_.data() + c * span;
        first[c] = std::accumulate(a, a + span, 0.0);
        second[c] = std::accumulate(b, b + span, 0.0);
      }
    else
      for (std::int64_t c = 0; c < channels; ++c) first[c] = a_[c], second[c] = b_[c];
    for (std::int64_t copy = 1; copy < lanes_.copies; ++copy)
      for (std::int64_t c = 0; c < channels; ++c) {
        first[c] += a_[copy * channels + c];
        second[c] += b_[copy * channels + c];
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

// The units [begin, end) and how many values of a channel they hold.
struct Block {
  std::int64_t begin, end, values;
};

// The partition of sums per channel. Where channels are adjacent: pieces of the pixels, all channels each. Where planes
// are: each group of channels on its own, and pieces of the images where there are few groups. It follows from the
// shape.
struct Parts {
  static constexpr std::int64_t kMost = 32;        // pieces
  static constexpr std::int64_t kWork = 32'768;    // elements worth a piece
  static constexpr std::int64_t kBlockRows = 64;   // rows that are summed in the compute type
  static constexpr std::int64_t kFirstImages = 4;  // of short planes, in the first block
  std::int64_t pieces;
  std::int64_t count;  // pieces * channels

  explicit Parts(const Channels& x) {
    const std::int64_t worth = std::clamp<std::int64_t>(x.channels * x.values() / kWork, 1, kMost);
    const std::int64_t wanted = worth / std::max<std::int64_t>(1, x.groups());
    pieces = std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(1, x.last ? x.values() : x.images));
    count = pieces * x.channels;
  }

  // body(slot, lanes, first block, walk) for each part; its results per channel belong at slot, slot + 1, … of arrays
  // [pieces][channels]. walk(add, end_block) calls add(begin, end) for ranges of units, and end_block(values of a
  // channel) after each block of them.
  template <typename Body>
  void each(const Channels& x, bool dense, Body&& body) const {
    const std::int64_t total = x.last ? x.values() : x.images, groups = x.groups();
    parallel_parts(pieces * groups, [&](std::int64_t part) {
      const std::int64_t piece = part / groups, channel = part % groups * x.together();
      const Lanes lanes = Lanes::of(x, dense, channel);
      const auto of_part = [&](Block first, auto&& walk) { body(piece * x.channels + channel, lanes, first, walk); };
      const std::int64_t begin = total * piece / pieces, end = total * (piece + 1) / pieces;
      if (x.last || x.short_planes())
        rows(x, lanes, channel, begin, end, of_part);
      else
        planes(x, lanes, channel, begin, end, of_part);
    });
  }

 private:
  // [begin, end) of the pixels, or of the images whose planes are short.
  template <typename Body>
  static void rows(const Channels& x, const Lanes& lanes, std::int64_t channel, std::int64_t begin, std::int64_t end,
                   Body&& body) {
    const std::int64_t block = kBlockRows * lanes.copies;
    const std::int64_t first = std::min(end, begin + (x.last ? block : kFirstImages));
    const auto unit = [&](std::int64_t i) { return x.last ? i : x.plane(i, channel); };
    body(Block{unit(begin), unit(first), (first - begin) * lanes.span}, [&](auto&& add, auto&& end_block) {
      for (std::int64_t i = begin; i < end; i += block) {
        const std::int64_t stop = std::min(end, i + block);
        add(unit(i), unit(stop));
        end_block((stop - i) * lanes.span);
      }
    });
  }
  // The planes of a channel in the images [begin, end).
  template <typename Body>
  static void planes(const Channels& x, const Lanes& lanes, std::int64_t channel, std::int64_t begin, std::int64_t end,
                     Body&& body) {
    const std::int64_t block = kBlockRows * lanes.units, first = x.plane(begin, channel);
    const std::int64_t first_values = std::min(block, x.pixels);
    body(Block{first, first + first_values, first_values}, [&](auto&& add, auto&& end_block) {
      std::int64_t pending = 0;
      for (std::int64_t image = begin; image < end; ++image)
        for (std::int64_t u = 0; u < x.pixels; u += block) {
          const std::int64_t n = std::min(block, x.pixels - u), at = x.plane(image, channel) + u;
          add(at, at + n);
          pending += n;
          if (pending < block && (image + 1 < end || u + block < x.pixels)) continue;
          end_block(pending);
          pending = 0;
        }
    });
  }
};

// Calls body(first unit, n lanes, row 0, row 1, …) for all units, rows being kNumbers numbers per channel in lanes;
// they come from numbers(channel, C* at) with at[0 … kNumbers).
template <typename C, int kNumbers, typename Numbers, typename Body>
void each_row(const Channels& x, bool dense, Numbers&& numbers, Body&& body) {
  const Buffer<C> table(kNumbers * x.channels);  // [channel][number]
  for (std::int64_t c = 0; c < x.channels; ++c) numbers(c, table.data() + c * kNumbers);
  const auto fill = [&](const Lanes& lanes, std::int64_t channel, C* row) {
    for (int i = 0; i < kNumbers; ++i, row += lanes.width()) {
      for (std::int64_t c = 0; c < lanes.adjacent; ++c) row[c] = table[(channel + c) * kNumbers + i];
      lanes.repeat(row);
    }
  };
  const auto run = [&]<int... I>(std::integer_sequence<int, I...>, const C* rows, std::int64_t width,
                                 std::int64_t units, std::int64_t begin, std::int64_t end) {
    const std::int64_t unit = width / units;  // lanes
    for (std::int64_t u = begin; u < end; u += units) body(u, std::min(units, end - u) * unit, (rows + I * width)...);
  };
  constexpr std::make_integer_sequence<int, kNumbers> kAll;
  if (x.last) {
    const Lanes lanes = Lanes::of(x, dense, 0);
    const Buffer<C> rows(kNumbers * lanes.width());
    fill(lanes, 0, rows.data());
    parallel_for(x.values(), 1 + Parts::kWork / (x.channels + 1), [&](std::int64_t begin, std::int64_t end) {
      run(kAll, rows.data(), lanes.width(), lanes.units, begin, end);
    });
    return;
  }
  if (x.short_planes()) {
    const std::int64_t together = x.together();
    const std::int64_t grain = 1 + Parts::kWork / (together * x.pixels + 1);
    parallel_for(x.groups() * x.images, grain, [&](std::int64_t begin, std::int64_t end) {
      const Buffer<C> rows(kNumbers * together * x.pixels);
      for (std::int64_t item = begin; item < end; ++item) {  // all images of a group, then the next group
        const std::int64_t channel = item / x.images * together, plane = x.plane(item % x.images, channel);
        const Lanes lanes = Lanes::of(x, dense, channel);
        if (item == begin || item % x.images == 0) fill(lanes, channel, rows.data());
        run(kAll, rows.data(), lanes.width(), 1, plane, plane + 1);
      }
    });
    return;
  }
  parallel_for(x.images * x.channels, 1 + Parts::kWork / (x.pixels + 1), [&](std::int64_t begin, std::int64_t end) {
    alignas(64) C rows[kNumbers * Lanes::kWidth];
    for (std::int64_t plane = begin; plane < end; ++plane) {
      const C* const values = table.data() + plane % x.channels * kNumbers;
      for (int i = 0; i < kNumbers; ++i) std::fill_n(rows + i * Lanes::kWidth, Lanes::kWidth, values[i]);
      run(kAll, rows, Lanes::kWidth, Lanes::kWidth, plane * x.pixels, (plane + 1) * x.pixels);
    }
  });
}

}  // namespace weft::cpu::WEFT_CPU_LEVEL
