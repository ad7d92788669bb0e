// Pooling. Both memory formats are one loop: a channels-last batch is N planes of pixels of C adjacent channels, a
// contiguous one N * C planes of pixels of one channel. A row of outputs (backward: of dx) is the unit of work; the
// channels of its pixels are taken by the register, and each output walks over its window, each pixel of dx over the
// windows that hold it, so that every result is written once. Overlapping windows are read from the cache; bound by
// memory. Sums are taken along columns first and then along the row (backward: along a row of windows first).
#include "kernels/pool_windows.h"

#include <limits>
#include <vector>

#include "core/parallel.h"
#include "kernels/cpu/lanes.h"

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
  std::int64_t rows() const { return count * h; }
  std::int64_t row_elements() const { return w * pitch; }
};

// body.operator()<T, Lanes>() for the dtype and format of the images.
template <typename F>
void visit_lanes(const Tensor& x, const char* op, F&& body) {
  visit_floating(x.dtype(), op, [&]<typename T>() {
    if (x.channels_last() && x.size(1) > 1)
      body.template operator()<T, Wide<Compute<T>>>();
    else
      body.template operator()<T, Single<Compute<T>>>();
  });
}
// body.operator()<I>() for the dtype of the places; undefined ones are u8.
template <typename F>
void visit_places(const Tensor& index, F&& body) {
  if (!index.defined() || index.dtype() == DType::u8)
    body.template operator()<std::uint8_t>();
  else
    body.template operator()<std::int32_t>();
}

// The ranges of all windows (or of all pixels) along a row, found once per call.
template <typename F>
std::vector<PoolRange> ranges(std::int64_t n, F&& range_of) {
  std::vector<PoolRange> all;
  for (std::int64_t i = 0; i < n; ++i) all.push_back(range_of(i));
  return all;
}
std::vector<PoolRange> window_columns(const PoolWindows& windows) {
  return ranges(windows.columns.windows, [&](std::int64_t q) { return windows.columns.pixels(q); });
}
std::vector<PoolRange> holder_columns(const PoolWindows& windows) {
  return ranges(windows.columns.size, [&](std::int64_t w) { return windows.columns.holders(w); });
}

// body(row) for each row of the planes, in parallel.
template <typename F>
void each_row(const Planes& planes, F&& body) {
  parallel_for(planes.rows(), 1 + 20'000 / (planes.w * planes.channels + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) body(row);
  });
}
// body(first channel, lanes) for each register of a pixel's channels.
template <typename L, typename F>
[[gnu::always_inline]] inline void each_register(const Planes& planes, F&& body) {
  std::int64_t c = 0;
  for (; c + L::kLanes <= planes.channels; c += L::kLanes) body(c, L::kLanes);
  if (c < planes.channels) body(c, static_cast<int>(planes.channels - c));
}

// --- maximum ---------------------------------------------------------------------------------------------------------

// The largest of each window and its place; a NaN wins and stays.
template <typename T, typename L, typename I>
void maxima(const PoolWindows& windows, const Planes& in, const Planes& out, const T* x, T* y, I* index) {
  using C = Compute<T>;
  const std::vector<PoolRange> columns = window_columns(windows);
  each_row(out, [&](std::int64_t row) {
    const std::int64_t p = row % out.h, top = windows.rows.start(p), width = windows.columns.kernel;
    const PoolRange rows = windows.rows.pixels(p);
    const T* const image = x + row / out.h * in.h * in.row_elements();
    for (std::int64_t q = 0; q < out.w; ++q) {
      const PoolRange range = columns[static_cast<std::size_t>(q)];
      const std::int64_t left = windows.columns.start(q);
      T* const to = y + row * out.row_elements() + q * out.pitch;
      I* const places = index ? index + (row * out.w + q) * out.channels : nullptr;
      each_register<L>(
          out, [&](std::int64_t c, int lanes) __attribute__((always_inline)) {
            auto best = L::all(-std::numeric_limits<C>::infinity());
            auto place = L::places((rows.begin - top) * width + range.begin - left);
            for (std::int64_t h = rows.begin; h < rows.end; ++h)
              for (std::int64_t w = range.begin; w < range.end; ++w) {
                const auto value = L::load(image + h * in.row_elements() + w * in.pitch + c, lanes);
                const auto wins = (value > best) | (value != value);
                best = wins ? value : best;
                place = wins ? L::places((h - top) * width + w - left) : place;
              }
            L::store(best, to + c, lanes);
            if (places) L::store_places(place, places + c, lanes);
          });
    }
  });
}

void max_forward(const Tensor& x, Pool2dOptions o, const Tensor& y, const Tensor& index) {
  if (y.elements() == 0) return;
  visit_lanes(x, "max_pool2d", [&]<typename T, typename L>() {
    visit_places(index, [&]<typename I>() {
      maxima<T, L, I>(PoolWindows(x, y, o), Planes(x), Planes(y), x.data<T>(), y.data<T>(),
                      index.defined() ? index.data<I>() : nullptr);
    });
  });
}

// body(sums, p, q) adds what window (p, q) gives to a pixel; sums of rows of windows are added in order.
template <typename T, typename L, typename F>
void gather(const PoolWindows& windows, const Planes& in, T* dx, F&& body) {
  const std::vector<PoolRange> columns = holder_columns(windows);
  each_row(in, [&](std::int64_t row) {
    const std::int64_t plane = row / in.h, h = row % in.h;
    const PoolRange rows = windows.rows.holders(h);
    for (std::int64_t w = 0; w < in.w; ++w) {
      const PoolRange range = columns[static_cast<std::size_t>(w)];
      each_register<L>(
          in, [&](std::int64_t c, int lanes) __attribute__((always_inline)) {
            auto sum = L::all(0);
            for (std::int64_t p = rows.begin; p < rows.end; ++p) {
              auto of_row = L::all(0);
              for (std::int64_t q = range.begin; q < range.end; ++q) body(of_row, plane, h, w, p, q, c, lanes);
              sum = sum + of_row;
            }
            L::store(sum, dx + row * in.row_elements() + w * in.pitch + c, lanes);
          });
    }
  });
}

void max_backward(const Tensor& dy, const Tensor& index, Pool2dOptions o, const Tensor& dx) {
  if (dx.elements() == 0) return;
  const PoolWindows windows(dx, dy, o);
  const Planes out(dy);
  visit_lanes(dx, "max_pool2d", [&]<typename T, typename L>() {
    visit_places(index, [&]<typename I>() {
      gather<T, L>(
          windows, Planes(dx), dx.data<T>(),
          [&, from = dy.data<T>(), places = index.data<I>() ](
              auto& sum, std::int64_t plane, std::int64_t h, std::int64_t w, std::int64_t p, std::int64_t q,
              std::int64_t c, int lanes) __attribute__((always_inline)) {
            const std::int64_t pixel = (plane * out.h + p) * out.w + q;
            const auto place = L::places((h - windows.rows.start(p)) * o.kernel.w + w - windows.columns.start(q));
            const auto mine = L::load_places(places + pixel * out.channels + c, lanes) == place;
            const auto gradient = L::load(from + pixel * out.pitch + c, lanes);
            sum = sum + (mine ? gradient : L::all(0));
          });
    });
  });
}

// --- average ---------------------------------------------------------------------------------------------------------

// 1 / area of each window.
template <typename C>
std::vector<C> scales(const PoolWindows& windows) {
  std::vector<C> all;
  for (std::int64_t p = 0; p < windows.rows.windows; ++p)
    for (std::int64_t q = 0; q < windows.columns.windows; ++q) all.push_back(C(1) / static_cast<C>(windows.area(p, q)));
  return all;
}

void average(const PoolWindows& windows, const Tensor& x, const Tensor& y) {
  if (y.elements() == 0) return;
  const Planes in(x), out(y);
  const std::vector<PoolRange> columns = window_columns(windows);
  visit_lanes(x, "avg_pool2d", [&]<typename T, typename L>() {
    const std::vector<Compute<T>> scale = scales<Compute<T>>(windows);
    each_row(out, [&](std::int64_t row) {
      const std::int64_t p = row % out.h;
      const PoolRange rows = windows.rows.pixels(p);
      const T* const image = x.data<T>() + row / out.h * in.h * in.row_elements();
      for (std::int64_t q = 0; q < out.w; ++q) {
        const PoolRange range = columns[static_cast<std::size_t>(q)];
        const auto factor = L::all(scale[static_cast<std::size_t>(p * out.w + q)]);
        T* const to = y.data<T>() + row * out.row_elements() + q * out.pitch;
        each_register<L>(
            out, [&](std::int64_t c, int lanes) __attribute__((always_inline)) {
              auto sum = L::all(0);
              for (std::int64_t w = range.begin; w < range.end; ++w) {
                auto column = L::all(0);
                for (std::int64_t h = rows.begin; h < rows.end; ++h)
                  column = column + L::load(image + h * in.row_elements() + w * in.pitch + c, lanes);
                sum = sum + column;
              }
              L::store(sum * factor, to + c, lanes);
            });
      }
    });
  });
}

void spread(const PoolWindows& windows, const Tensor& dy, const Tensor& dx) {
  if (dx.elements() == 0) return;
  const Planes out(dy);
  visit_lanes(dx, "avg_pool2d", [&]<typename T, typename L>() {
    const std::vector<Compute<T>> scale = scales<Compute<T>>(windows);
    gather<T, L>(
        windows, Planes(dx), dx.data<T>(),
        [&, from = dy.data<T>() ](auto& sum, std::int64_t plane, std::int64_t, std::int64_t, std::int64_t p,
                                  std::int64_t q, std::int64_t c, int lanes) __attribute__((always_inline)) {
          const std::int64_t place = p * out.w + q, pixel = plane * out.h * out.w + place;
          sum = sum + L::load(from + pixel * out.pitch + c, lanes) * L::all(scale[static_cast<std::size_t>(place)]);
        });
  });
}

void avg_forward(const Tensor& x, Pool2dOptions o, const Tensor& y) { average(PoolWindows(x, y, o), x, y); }
void avg_backward(const Tensor& dy, Pool2dOptions o, const Tensor& dx) { spread(PoolWindows(dx, dy, o), dy, dx); }
void adaptive_forward(const Tensor& x, const Tensor& y) { average(PoolWindows(x, y), x, y); }
void adaptive_backward(const Tensor& dy, const Tensor& dx) { spread(PoolWindows(dx, dy), dy, dx); }

[[maybe_unused]] const bool registered[] = {
    max_pool2d_forward.add({.device = kThisDevice, .name = "cpu.planes", .rank = 100, .run = max_forward}),
    max_pool2d_backward.add({.device = kThisDevice, .name = "cpu.planes", .rank = 100, .run = max_backward}),
    avg_pool2d_forward.add({.device = kThisDevice, .name = "cpu.planes", .rank = 100, .run = avg_forward}),
    avg_pool2d_backward.add({.device = kThisDevice, .name = "cpu.planes", .rank = 100, .run = avg_backward}),
    adaptive_avg_pool2d_forward.add(
        {.device = kThisDevice, .name = "cpu.planes", .rank = 100, .run = adaptive_forward}),
    adaptive_avg_pool2d_backward.add(
        {.device = kThisDevice, .name = "cpu.planes", .rank = 100, .run = adaptive_backward}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
