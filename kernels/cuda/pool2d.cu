// Pooling. Both memory formats are one loop: a channels-last batch is N planes of pixels of C adjacent channels, a
// contiguous one N * C planes of pixels of one channel. A thread owns one output pixel, of one channel or of as many
// adjacent ones as 16 bytes hold, and walks over its window; backward it owns a pixel of dx and walks over the windows
// that hold it, in rising order, so that nothing is added by two threads. Reads of overlapping windows come from a
// cache; bound by memory, one operation per element of each window. An average over whole images is a reduction.
#include "kernels/pool_windows.h"

#include "core/ops/reduce.h"
#include "kernels/cuda/places.h"
#include "kernels/cuda/rows.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

constexpr unsigned kThreads = 256;

// A kernel argument.
struct Planes {
  std::int64_t count = 0, h = 0, w = 0;
  std::int64_t channels = 1;  // adjacent in memory
  std::int64_t pitch = 1;     // from pixel to pixel

  explicit Planes(const Tensor& x) : h(x.size(2)), w(x.size(3)) {
    const bool last = x.channels_last();
    count = last ? x.size(0) : x.size(0) * x.size(1);
    if (last) channels = x.size(1), pitch = x.layout().pitch();
  }
  std::int64_t pixels() const { return count * h * w; }
};
// Host code: whether packs of N channels are whole and aligned.
template <int N, typename T>
bool channels_packed(const Tensor& x) {
  const Planes planes(x);
  return planes.channels % N == 0 && planes.pitch % N == 0 && pack_aligned<N>(x.data<T>());
}

// One pixel of a batch, and N channels of it from c on.
struct Place {
  std::int64_t plane, h, w, c;
};
template <int N>
__device__ Place place_of(const Planes& planes, std::int64_t item) {
  Place at{};
  const std::int64_t packs = planes.channels / N;  // of a pixel
  std::int64_t rest = quotient(item, packs);
  at.c = (item - rest * packs) * N;
  item = rest, rest = quotient(item, planes.w);
  at.w = item - rest * planes.w;
  at.plane = quotient(rest, planes.h);
  at.h = rest - at.plane * planes.h;
  return at;
}
// Offset of a pixel's channel; for tensors that are dense, pitch = channels.
__device__ inline std::int64_t offset_of(const Planes& planes, std::int64_t plane, std::int64_t h, std::int64_t w,
                                         std::int64_t pitch, std::int64_t c) {
  return ((plane * planes.h + h) * planes.w + w) * pitch + c;
}

// y = the largest of each window; a NaN wins and stays. index: the place within the window of where it was, if wanted.
template <typename T, typename I, int N>
__global__ void max_windows(Planes in, Planes out, PoolWindows windows, const T* x, T* y, I* index) {
  using C = Compute<T>;
  const std::int64_t items = out.count * out.h * out.w * (out.channels / N);
  const int width = windows.columns.kernel;
  for (std::int64_t item = first_item(); item < items; item += item_step()) {
    const Place at = place_of<N>(out, item);
    const PoolRange rows = windows.rows.pixels(at.h), columns = windows.columns.pixels(at.w);
    const std::int64_t top = windows.rows.start(at.h), left = windows.columns.start(at.w);
    Pack<T, N> best;
    Pack<I, N> where;
    for (int l = 0; l < N; ++l) {
      best.at[l] = to_storage<T>(-std::numeric_limits<C>::infinity());
      where.at[l] = static_cast<I>((rows.begin - top) * width + columns.begin - left);
    }
    for (std::int64_t h = rows.begin; h < rows.end; ++h)
      for (std::int64_t w = columns.begin; w < columns.end; ++w) {
        const Pack<T, N> values = load_pack<N>(x + offset_of(in, at.plane, h, w, in.pitch, at.c));
        const auto place = static_cast<I>((h - top) * width + w - left);
        for (int l = 0; l < N; ++l) {
          const C value = to_compute(values.at[l]);
          if (!(value > to_compute(best.at[l])) && value == value) continue;
          best.at[l] = values.at[l];
          where.at[l] = place;
        }
      }
    store_pack(y + offset_of(out, at.plane, at.h, at.w, out.pitch, at.c), best);
    if (index) store_pack(index + offset_of(out, at.plane, at.h, at.w, out.channels, at.c), where);
  }
}

// dx of a pixel = the sum over the windows that hold it of what add(sums, place of the pixel, p, q) adds for N
// channels, along rows of windows first.
template <typename T, int N, typename Add>
__device__ void gather_windows(const Planes& in, const PoolWindows& windows, T* dx, const Add& add) {
  using C = Compute<T>;
  const std::int64_t items = in.count * in.h * in.w * (in.channels / N);
  for (std::int64_t item = first_item(); item < items; item += item_step()) {
    const Place at = place_of<N>(in, item);
    const PoolRange rows = windows.rows.holders(at.h), columns = windows.columns.holders(at.w);
    C sums[N] = {};
    for (std::int64_t p = rows.begin; p < rows.end; ++p) {
      C row[N] = {};
      for (std::int64_t q = columns.begin; q < columns.end; ++q) add(row, at, p, q);
      for (int l = 0; l < N; ++l) sums[l] += row[l];
    }
    Pack<T, N> result;
    for (int l = 0; l < N; ++l) result.at[l] = to_storage<T>(sums[l]);
    store_pack(dx + offset_of(in, at.plane, at.h, at.w, in.pitch, at.c), result);
  }
}

// dx of a pixel = the sum of dy over the windows whose largest it was.
template <typename T, typename I, int N>
__global__ void max_windows_backward(Planes in, Planes out, PoolWindows windows, const T* dy, const I* index, T* dx) {
  using C = Compute<T>;
  gather_windows<T, N>(in, windows, dx, [&](C(&sums)[N], const Place& at, std::int64_t p, std::int64_t q) {
    const auto place =
        static_cast<I>((at.h - windows.rows.start(p)) * windows.columns.kernel + at.w - windows.columns.start(q));
    const auto where = load_pack<N>(index + offset_of(out, at.plane, p, q, out.channels, at.c));
    const Pack<T, N> gradient = load_pack<N>(dy + offset_of(out, at.plane, p, q, out.pitch, at.c));
    for (int l = 0; l < N; ++l)
      if (where.at[l] == place) sums[l] += to_compute(gradient.at[l]);
  });
}

// y = the average of each window: columns are summed first, then along the row.
template <typename T, int N>
__global__ void average_windows(Planes in, Planes out, PoolWindows windows, const T* x, T* y) {
  using C = Compute<T>;
  const std::int64_t items = out.count * out.h * out.w * (out.channels / N);
  for (std::int64_t item = first_item(); item < items; item += item_step()) {
    const Place at = place_of<N>(out, item);
    const PoolRange rows = windows.rows.pixels(at.h), columns = windows.columns.pixels(at.w);
    C sums[N] = {};
    for (std::int64_t w = columns.begin; w < columns.end; ++w) {
      C column[N] = {};
      for (std::int64_t h = rows.begin; h < rows.end; ++h) {
        const Pack<T, N> values = load_pack<N>(x + offset_of(in, at.plane, h, w, in.pitch, at.c));
        for (int l = 0; l < N; ++l) column[l] += to_compute(values.at[l]);
      }
      for (int l = 0; l < N; ++l) sums[l] += column[l];
    }
    const C scale = C(1) / static_cast<C>(windows.area(at.h, at.w));
    Pack<T, N> result;
    for (int l = 0; l < N; ++l) result.at[l] = to_storage<T>(sums[l] * scale);
    store_pack(y + offset_of(out, at.plane, at.h, at.w, out.pitch, at.c), result);
  }
}

// dx of a pixel = the sum over the windows that hold it of dy / pixels of the window.
template <typename T, int N>
__global__ void average_windows_backward(Planes in, Planes out, PoolWindows windows, const T* dy, T* dx) {
  using C = Compute<T>;
  gather_windows<T, N>(in, windows, dx, [&](C(&sums)[N], const Place& at, std::int64_t p, std::int64_t q) {
    const C scale = C(1) / static_cast<C>(windows.area(p, q));
    const Pack<T, N> gradient = load_pack<N>(dy + offset_of(out, at.plane, p, q, out.pitch, at.c));
    for (int l = 0; l < N; ++l) sums[l] += to_compute(gradient.at[l]) * scale;
  });
}

// --- host ------------------------------------------------------------------------------------------------------------

// Calls body.operator()<T, N>(shape of the launch): N channels a thread where all allow packs, else one. A thread owns
// a place of `owner`; index may be undefined.
template <typename Body>
void with_packs(const char* op, const Tensor& owner, const Tensor& other, const Tensor& index, const Body& body) {
  visit_floating(owner.dtype(), op, [&]<typename T>() {
    constexpr int N = kPackSize<T>;
    const Planes planes(owner);
    const std::int64_t items = planes.pixels() * planes.channels;
    const bool index_fits =
        !index.defined() || reinterpret_cast<std::uintptr_t>(index.raw()) % (N * bytes_of(index.dtype())) == 0;
    if (index_fits && channels_packed<N, T>(owner) && channels_packed<N, T>(other))
      body.template operator()<T, N>(LaunchShape{grid_for(owner, items / N, kThreads), kThreads});
    else
      body.template operator()<T, 1>(LaunchShape{grid_for(owner, items, kThreads), kThreads});
  });
}
// Calls body.operator()<I>() for the dtype of the places; undefined ones are u8.
template <typename Body>
void with_places(const Tensor& index, const Body& body) {
  if (!index.defined() || index.dtype() == DType::u8)
    body.template operator()<std::uint8_t>();
  else
    body.template operator()<std::int32_t>();
}

void max_forward(const Tensor& x, Pool2dOptions o, const Tensor& y, const Tensor& index) {
  with_packs("max_pool2d", y, x, index, [&]<typename T, int N>(const LaunchShape& shape) {
    with_places(index, [&]<typename I>() {
      launch<max_windows<T, I, N>>(shape, stream_of(y), Planes(x), Planes(y), PoolWindows(x, y, o), x.data<T>(),
                                   y.data<T>(), index.defined() ? index.data<I>() : nullptr);
    });
  });
}
void max_backward(const Tensor& dy, const Tensor& index, Pool2dOptions o, const Tensor& dx) {
  with_packs("max_pool2d", dx, dy, index, [&]<typename T, int N>(const LaunchShape& shape) {
    with_places(index, [&]<typename I>() {
      launch<max_windows_backward<T, I, N>>(shape, stream_of(dx), Planes(dx), Planes(dy), PoolWindows(dx, dy, o),
                                            dy.data<T>(), index.data<I>(), dx.data<T>());
    });
  });
}
void average(const PoolWindows& windows, const Tensor& x, const Tensor& y) {
  with_packs("avg_pool2d", y, x, {}, [&]<typename T, int N>(const LaunchShape& shape) {
    launch<average_windows<T, N>>(shape, stream_of(y), Planes(x), Planes(y), windows, x.data<T>(), y.data<T>());
  });
}
void spread(const PoolWindows& windows, const Tensor& dy, const Tensor& dx) {
  with_packs("avg_pool2d", dx, dy, {}, [&]<typename T, int N>(const LaunchShape& shape) {
    launch<average_windows_backward<T, N>>(shape, stream_of(dx), Planes(dx), Planes(dy), windows, dy.data<T>(),
                                           dx.data<T>());
  });
}
void avg_forward(const Tensor& x, Pool2dOptions o, const Tensor& y) { average(PoolWindows(x, y, o), x, y); }
void avg_backward(const Tensor& dy, Pool2dOptions o, const Tensor& dx) { spread(PoolWindows(dx, dy, o), dy, dx); }
void adaptive_forward(const Tensor& x, const Tensor& y) { average(PoolWindows(x, y), x, y); }
void adaptive_backward(const Tensor& dy, const Tensor& dx) { spread(PoolWindows(dx, dy), dy, dx); }

std::string not_whole_images(const Tensor& x, Pool2dOptions o, const Tensor&) {
  if (o.kernel.h != x.size(2) || o.kernel.w != x.size(3)) return "the window is not the whole image";
  return o.padding == Pair(0) ? "" : "the image is padded";
}
void average_images(const Tensor& x, Pool2dOptions o, const Tensor& y) {
  reduce_forward(Fold::sum, 1.0 / (static_cast<double>(o.kernel.h) * o.kernel.w), x, y);
}

[[maybe_unused]] const bool registered[] = {
    max_pool2d_forward.add({.device = kThisDevice, .name = "cuda.windows", .rank = 100, .run = max_forward}),
    max_pool2d_backward.add({.device = kThisDevice, .name = "cuda.windows", .rank = 100, .run = max_backward}),
    avg_pool2d_forward.add({.device = kThisDevice, .name = "cuda.windows", .rank = 100, .run = avg_forward}),
    avg_pool2d_forward.add(
        {.device = kThisDevice, .name = "cuda.reduce", .rank = 50, .refuse = not_whole_images, .run = average_images}),
    avg_pool2d_backward.add({.device = kThisDevice, .name = "cuda.windows", .rank = 100, .run = avg_backward}),
    adaptive_avg_pool2d_forward.add(
        {.device = kThisDevice, .name = "cuda.windows", .rank = 100, .run = adaptive_forward}),
    adaptive_avg_pool2d_backward.add(
        {.device = kThisDevice, .name = "cuda.windows", .rank = 100, .run = adaptive_backward}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
