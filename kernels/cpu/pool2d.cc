// Pooling. Both memory formats are one loop: a channels-last batch is N planes of pixels of C adjacent channels, a
// contiguous one N * C planes of pixels of one channel. Threads own whole planes; a row of windows is first reduced
// over its image rows, where all numbers of a row are adjacent, then along the row. Memory-bound, one pass.
#include "core/ops/pool2d.h"

#include <limits>

#include "core/parallel.h"
#include "kernels/cpu/buffer.h"
#include "kernels/cpu/vector.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

struct Planes {
  std::int64_t count, h, w;
  std::int64_t channels;  // adjacent in memory
  std::int64_t pitch;     // from pixel to pixel

  explicit Planes(const Tensor& x) : h(x.size(2)), w(x.size(3)) {
    const bool last = x.channels_last();
    count = last ? x.size(0) : x.size(0) * x.size(1);
    channels = last ? x.size(1) : 1;
    pitch = last ? x.layout().pitch() : 1;
  }
  std::int64_t plane_elements() const { return h * w * pitch; }
  std::int64_t line() const { return w * channels; }  // numbers of a row
};

// The part [begin, end) of window number i that lies inside [0, size).
struct Range {
  std::int64_t begin, end;
  Range(std::int64_t i, int kernel, int stride, int padding, std::int64_t size)
      : begin(std::max<std::int64_t>(i * stride - padding, 0)), end(std::min(i * stride - padding + kernel, size)) {}
};
Range rows_of(const Pool2dOptions& o, const Planes& in, std::int64_t p) {
  return {p, o.kernel.h, o.stride.h, o.padding.h, in.h};
}
Range columns_of(const Pool2dOptions& o, const Planes& in, std::int64_t q) {
  return {q, o.kernel.w, o.stride.w, o.padding.w, in.w};
}
// 1 / the number of elements that the average of a window is taken over.
template <typename C>
struct Scale {
  explicit Scale(const Pool2dOptions& o)
      : inside_only(!o.count_include_pad), whole(C(1) / static_cast<C>(o.kernel.h * o.kernel.w)) {}
  C of(Range rows, Range columns) const {
    if (!inside_only) return whole;
    return C(1) / static_cast<C>((rows.end - rows.begin) * (columns.end - columns.begin));
  }
  bool inside_only;
  C whole;
};

// One row of an image as numbers of the compute type, side by side; read(number, value) or write(number) -> value.
template <typename T, typename F>
void read_row(const Planes& planes, const T* row, F&& read) {
  using C = Compute<T>;
  if (planes.pitch == planes.channels) {
    for (std::int64_t i = 0; i < planes.line(); ++i) read(i, static_cast<C>(row[i]));
  } else {
    for (std::int64_t w = 0; w < planes.w; ++w)
      for (std::int64_t c = 0; c < planes.channels; ++c)
        read(w * planes.channels + c, static_cast<C>(row[w * planes.pitch + c]));
  }
}
template <typename T, typename F>
void write_row(const Planes& planes, T* row, F&& write) {
  if (planes.pitch == planes.channels) {
    for (std::int64_t i = 0; i < planes.line(); ++i) row[i] = static_cast<T>(write(i));
  } else {
    for (std::int64_t w = 0; w < planes.w; ++w)
      for (std::int64_t c = 0; c < planes.channels; ++c)
        row[w * planes.pitch + c] = static_cast<T>(write(w * planes.channels + c));
  }
}

// body(begin, end) over ranges of planes of about 20,000 numbers and more.
template <typename F>
void each_planes(const Planes& planes, F&& body) {
  parallel_for(planes.count, 1 + 20'000 / (planes.plane_elements() + 1), body);
}

// Calls body(first channel, mask of lanes) for each vector of the channels of a pixel.
template <typename C, typename F>
void each_vector(std::int64_t channels, F&& body) {
  for (std::int64_t c = 0; c < channels; c += Vec<C>::kLanes) body(c, Vec<C>::first(channels - c));
}

// One row of averages: sums holds the sums over the window's rows.
template <typename C>
void average_row(const Planes& in, const Planes& out, const Pool2dOptions& o, Range rows, const C* sums, C* averages) {
  using V = Vec<C>;
  const Scale<C> scale(o);
  each_vector<C>(in.channels, [&](std::int64_t c, auto mask) {
    for (std::int64_t q = 0; q < out.w; ++q) {
      const Range columns = columns_of(o, in, q);
      V sum = V::load(sums + columns.begin * in.channels + c, mask);
      for (std::int64_t w = columns.begin + 1; w < columns.end; ++w)
        sum = sum + V::load(sums + w * in.channels + c, mask);
      (sum * V::all(scale.of(rows, columns))).store(averages + q * in.channels + c, mask);
    }
  });
}

void avg_forward(const Tensor& x, Pool2dOptions o, const Tensor& y) {
  if (y.elements() == 0) return;
  visit_floating(x.dtype(), "avg_pool2d", [&]<typename T>() {
    using C = Compute<T>;
    const Planes in(x), out(y);
    each_planes(in, [&](std::int64_t begin, std::int64_t end) {
      const Buffer<C> sums(in.line()), averages(out.line());
      for (std::int64_t plane = begin; plane < end; ++plane)
        for (std::int64_t p = 0; p < out.h; ++p) {
          const Range rows = rows_of(o, in, p);
          const T* image = x.data<T>() + plane * in.plane_elements();
          C* const to = sums.data();
          read_row(in, image + rows.begin * in.w * in.pitch, [to](std::int64_t i, C value) { to[i] = value; });
          for (std::int64_t h = rows.begin + 1; h < rows.end; ++h)
            read_row(in, image + h * in.w * in.pitch, [to](std::int64_t i, C value) { to[i] += value; });
          average_row(in, out, o, rows, sums.data(), averages.data());
          write_row(out, y.data<T>() + (plane * out.h + p) * out.w * out.pitch,
                    [from = averages.data()](std::int64_t i) { return from[i]; });
        }
    });
  });
}

// What a row of dy gives to each of the image rows under it.
template <typename C>
void spread_row(const Planes& in, const Planes& out, const Pool2dOptions& o, Range rows, const C* dy, C* spread) {
  using V = Vec<C>;
  const Scale<C> scale(o);
  each_vector<C>(in.channels, [&](std::int64_t c, auto mask) {
    std::int64_t reached = 0;  // columns that have been set: a window sets the columns it is the first to reach
    const auto at = [&](std::int64_t w) { return spread + w * in.channels + c; };
    for (std::int64_t q = 0; q < out.w; ++q) {
      const Range columns = columns_of(o, in, q);
      const V value = V::load(dy + q * in.channels + c, mask) * V::all(scale.of(rows, columns));
      for (; reached < columns.begin; ++reached) V::all(0).store(at(reached), mask);
      for (std::int64_t w = columns.begin; w < std::min(reached, columns.end); ++w)
        (V::load(at(w), mask) + value).store(at(w), mask);
      for (; reached < columns.end; ++reached) value.store(at(reached), mask);
    }
    for (; reached < in.w; ++reached) V::all(0).store(at(reached), mask);
  });
}

// The rows of windows meet the rows of dx from top to bottom, and set or add likewise.
template <typename T, typename C>
void avg_backward_plane(const Planes& in, const Planes& out, const Pool2dOptions& o, const T* dy, C* row_space,
                        C* spread, C* sums) {
  const std::int64_t line = in.line();
  std::int64_t reached = 0;  // rows of sums that have been set
  for (std::int64_t p = 0; p < out.h; ++p) {
    const Range rows = rows_of(o, in, p);
    read_row(out, dy + p * out.w * out.pitch, [row_space](std::int64_t i, C value) { row_space[i] = value; });
    spread_row(in, out, o, rows, row_space, spread);
    for (; reached < rows.begin; ++reached) std::fill_n(sums + reached * line, line, C(0));
    for (std::int64_t h = rows.begin; h < std::min(reached, rows.end); ++h)
      for (std::int64_t i = 0; i < line; ++i) sums[h * line + i] += spread[i];
    for (; reached < rows.end; ++reached) std::copy_n(spread, line, sums + reached * line);
  }
  for (; reached < in.h; ++reached) std::fill_n(sums + reached * line, line, C(0));
}

void avg_backward(const Tensor& dy, Pool2dOptions o, const Tensor& dx) {
  visit_floating(dx.dtype(), "avg_pool2d", [&]<typename T>() {
    using C = Compute<T>;
    const Planes in(dx), out(dy);
    each_planes(in, [&](std::int64_t begin, std::int64_t end) {
      const Buffer<C> row_space(out.line()), spread(in.line()), sums(in.h * in.line());
      for (std::int64_t plane = begin; plane < end; ++plane) {
        const T* from = dy.data<T>() + plane * out.plane_elements();
        T* to = dx.data<T>() + plane * in.plane_elements();
        if constexpr (std::is_same_v<T, C>) {
          if (in.pitch == in.channels) {
            avg_backward_plane(in, out, o, from, row_space.data(), spread.data(), to);
            continue;
          }
        }
        avg_backward_plane(in, out, o, from, row_space.data(), spread.data(), sums.data());
        for (std::int64_t h = 0; h < in.h; ++h)
          write_row(in, to + h * in.w * in.pitch,
                    [row = sums.data() + h * in.line()](std::int64_t i) { return row[i]; });
      }
    });
  });
}

// The largest of one window for each channel, and where it lies. A NaN wins and stays.
template <typename T, typename C>
void window_maximum(const Planes& in, const T* image, Range rows, Range columns, C* best, std::int32_t* where) {
  std::fill_n(best, in.channels, -std::numeric_limits<C>::infinity());
  std::fill_n(where, in.channels, static_cast<std::int32_t>(rows.begin * in.w + columns.begin));
  for (std::int64_t h = rows.begin; h < rows.end; ++h)
    for (std::int64_t w = columns.begin; w < columns.end; ++w) {
      const auto at = static_cast<std::int32_t>(h * in.w + w);
      const T* pixel = image + at * in.pitch;
      for (std::int64_t c = 0; c < in.channels; ++c) {
        const C value = static_cast<C>(pixel[c]);
        const bool wins = (value > best[c]) | (value != value);
        best[c] = wins ? value : best[c];
        where[c] = wins ? at : where[c];
      }
    }
}

void max_forward(const Tensor& x, Pool2dOptions o, const Tensor& y, const Tensor& index) {
  if (y.elements() == 0) return;
  visit_floating(x.dtype(), "max_pool2d", [&]<typename T>() {
    using C = Compute<T>;
    const Planes in(x), out(y);
    each_planes(in, [&](std::int64_t begin, std::int64_t end) {
      const Buffer<C> best(in.channels);
      const Buffer<std::int32_t> where(in.channels);
      for (std::int64_t plane = begin; plane < end; ++plane)
        for (std::int64_t p = 0; p < out.h; ++p)
          for (std::int64_t q = 0; q < out.w; ++q) {
            window_maximum(in, x.data<T>() + plane * in.plane_elements(), rows_of(o, in, p), columns_of(o, in, q),
                           best.data(), where.data());
            const std::int64_t pixel = (plane * out.h + p) * out.w + q;
            for (std::int64_t c = 0; c < out.channels; ++c)
              y.data<T>()[pixel * out.pitch + c] = static_cast<T>(best[c]);
            if (index.defined())
              std::copy_n(where.data(), out.channels, index.data<std::int32_t>() + pixel * out.channels);
          }
    });
  });
}

void max_backward(const Tensor& dy, const Tensor& index, Pool2dOptions, const Tensor& dx) {
  visit_floating(dx.dtype(), "max_pool2d", [&]<typename T>() {
    using C = Compute<T>;
    const Planes in(dx), out(dy);
    each_planes(in, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t line = in.line();
      const Buffer<C> sums(in.h * line);  // windows may overlap: summed in full precision
      for (std::int64_t plane = begin; plane < end; ++plane) {
        std::fill_n(sums.data(), in.h * line, C(0));
        for (std::int64_t i = 0; i < out.h * out.w; ++i) {
          const std::int64_t pixel = plane * out.h * out.w + i;
          const T* gradient = dy.data<T>() + pixel * out.pitch;
          const std::int32_t* where = index.data<std::int32_t>() + pixel * out.channels;
          for (std::int64_t c = 0; c < out.channels; ++c)
            sums[where[c] * in.channels + c] += static_cast<C>(gradient[c]);
        }
        for (std::int64_t h = 0; h < in.h; ++h)
          write_row(in, dx.data<T>() + (plane * in.h + h) * in.w * in.pitch,
                    [&](std::int64_t i) { return sums[h * line + i]; });
      }
    });
  });
}

[[maybe_unused]] const bool registered[] = {
    max_pool2d_forward.add({.device = kThisDevice, .name = "cpu.planes", .rank = 100, .run = max_forward}),
    max_pool2d_backward.add({.device = kThisDevice, .name = "cpu.planes", .rank = 100, .run = max_backward}),
    avg_pool2d_forward.add({.device = kThisDevice, .name = "cpu.planes", .rank = 100, .run = avg_forward}),
    avg_pool2d_backward.add({.device = kThisDevice, .name = "cpu.planes", .rank = 100, .run = avg_backward}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
