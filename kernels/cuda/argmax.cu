// The place of the largest along an axis. Reads x once, bound by memory: a result belongs to a single thread where its
// neighbours in memory belong to other results, else to 1 to 32 lanes or a block, thread `member` of which looks at the
// elements member, member + width, …
#include "core/ops/reduce.h"
#include "kernels/cuda/places.h"
#include "kernels/cuda/rows.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();

template <typename V>
struct Peak {
  V value = 0;
  std::int64_t index = kNone;
};
// A NaN is larger than all; of equals the first. The same whatever the order.
template <typename V>
__device__ Peak<V> larger(const Peak<V>& a, const Peak<V>& b) {
  if (a.index == kNone || b.index == kNone) return a.index == kNone ? b : a;
  const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
  const bool equal = a_nan ? b_nan : a.value == b.value;
  if (equal) return a.index < b.index ? a : b;
  return a_nan || a.value > b.value ? a : b;
}

template <typename V>
__device__ Peak<V> largest_of_lanes(Peak<V> peak, int width) {
  for (int offset = width / 2; offset > 0; offset /= 2) {
    Peak<V> other;
    other.value = __shfl_xor_sync(kAllLanes, peak.value, offset);
    other.index = __shfl_xor_sync(kAllLanes, peak.index, offset);
    peak = larger(peak, other);
  }
  return peak;
}
// Over the threads of a row; exchange has room for a value per warp.
template <typename V>
__device__ Peak<V> largest_of_row(Peak<V> peak, int width, Peak<V>* exchange) {
  peak = largest_of_lanes(peak, width < kWarp ? width : kWarp);
  if (width <= kWarp) return peak;
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp;
  __syncthreads();  // the exchange may hold the row before
  if (lane == 0) exchange[thread / kWarp] = peak;
  __syncthreads();
  return largest_of_lanes(lane < width / kWarp ? exchange[lane] : Peak<V>{}, kWarp);
}

template <typename T>
__global__ void argmax_rows(Places<2> kept, std::int64_t results, std::int64_t n, std::int64_t step, int width,
                            const T* x, std::int64_t* y) {
  SharedMemory shared;
  Peak<Value<T>>* exchange = shared.array<Peak<Value<T>>>(kRowThreads / kWarp);
  for_each_row(results, width, [&](std::int64_t result, int member) {
    std::int64_t at[2] = {};
    if (result < results) kept.locate(result, at);
    Peak<Value<T>> peak;
    for (std::int64_t i = member; i < n && result < results; i += width)
      peak = larger(peak, Peak<Value<T>>{value_of(x[at[0] + i * step]), i});
    peak = largest_of_row(peak, width, exchange);
    if (member == 0 && result < results) y[at[1]] = peak.index;
  });
}

void argmax(int axis, const Tensor& x, const Tensor& y) {
  const std::int64_t n = x.shape()[axis], step = x.strides()[axis];
  const MergedAxes<2> kept(y.shape(), {x.strides(), y.strides()}, 0);
  const bool columns = kept.axes > 0 && kept.stride[0][kept.axes - 1] < step;
  const int width = columns ? 1 : row_width(ceil_div<std::int64_t>(n, 4));
  visit_numeric(x.dtype(), "argmax", [&]<typename T>() {
    launch<argmax_rows<T>>({.blocks = row_grid(y, y.elements(), width),
                            .threads = kRowThreads,
                            .shared_bytes = kRowThreads / kWarp * sizeof(Peak<Value<T>>)},
                           stream_of(y), Places<2>(kept), y.elements(), n, step, width, x.data<T>(),
                           y.data<std::int64_t>());
  });
}

[[maybe_unused]] const bool registered[] = {
    argmax_forward.add({.device = kThisDevice, .name = "cuda.rows", .rank = 100, .run = argmax}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
