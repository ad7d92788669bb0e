// Random numbers and permutations: the CPU's bits.
//   random_groups      a thread draws four elements from one Philox counter: some 25 integer operations an element, so
//                      that f32 is bound by arithmetic and memory about equally; a truncated normal needs one counter
//                      or more for each element
//   permutation        sorted by 64-bit keys: a stable radix sort, 16 passes of 4 bits. A pass counts the digits of
//   each
//                      tile of 2048 keys, sums the counts up in (digit, tile) order, and moves each key to its place.
//                      Reads and writes 16 bytes a key and pass
#include "core/ops/random.h"

#include "kernels/cuda/convert.h"
#include "kernels/cuda/flat.h"
#include "kernels/cuda/warp.h"
#include "kernels/distributions.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

struct Numbers {
  Draw draw;
  functors::UniformRange range;
};

template <Distribution distribution>
__device__ void draw_four(const Numbers& numbers, RandomStream stream, std::uint64_t block, float (&values)[4]) {
  if constexpr (distribution == Distribution::truncated_normal) {
    for (unsigned i = 0; i < 4; ++i) values[i] = functors::truncated_normal(numbers.draw, stream, 4 * block + i);
    return;
  }
  const Philox4 w = random_block(stream, block);
  if constexpr (distribution == Distribution::uniform)
    for (int i = 0; i < 4; ++i) values[i] = numbers.range.value(w.word[i]);
  if constexpr (distribution == Distribution::bernoulli)
    for (int i = 0; i < 4; ++i) values[i] = functors::bernoulli(numbers.draw, w.word[i]);
  if constexpr (distribution == Distribution::normal)
    for (int i = 0; i < 4; i += 2) {
      const functors::NormalPair z = functors::scaled_normal_pair(numbers.draw, w.word[i], w.word[i + 1]);
      values[i] = z.first, values[i + 1] = z.second;
    }
}

// Thread i draws elements 4 i … 4 i + 3, then those a grid further on.
template <typename T, Distribution distribution>
__global__ void random_groups(Numbers numbers, RandomStream stream, std::int64_t elements, bool packs, T* y) {
  constexpr int n = kPackSize<T> < 4 ? kPackSize<T> : 4;
  stream = resolved(stream);
  for (std::int64_t block = first_item(); block < (elements + 3) / 4; block += item_step()) {
    float values[4];
    draw_four<distribution>(numbers, stream, std::uint64_t(block), values);
    const std::int64_t at = 4 * block;
    if (packs && at + 4 <= elements) {
      for (int first = 0; first < 4; first += n) {
        Pack<T, n> pack;
        for (int i = 0; i < n; ++i) pack.at[i] = to_storage<T>(values[first + i]);
        store_pack(y + at + first, pack);
      }
    } else {
      for (int i = 0; i < 4; ++i)
        if (at + i < elements) y[at + i] = to_storage<T>(values[i]);
    }
  }
}

template <typename T, Distribution distribution>
void start_random(const Draw& draw, RandomStream stream, const Tensor& y) {
  const std::int64_t n = y.elements();
  T* const to = y.data<T>();
  launch<random_groups<T, distribution>>({.blocks = grid_for(y, ceil_div(n, 4), kFlatThreads), .threads = kFlatThreads},
                                         stream_of(y), Numbers{draw, functors::UniformRange(draw)}, stream, n,
                                         packs_allowed<T>(to), to);
}

void run_random(Draw draw, RandomStream stream, const Tensor& y) {
  visit_floating(y.dtype(), "random_forward", [&]<typename T>() {
    switch (draw.distribution) {
      case Distribution::uniform: return start_random<T, Distribution::uniform>(draw, stream, y);
      case Distribution::normal: return start_random<T, Distribution::normal>(draw, stream, y);
      case Distribution::truncated_normal: return start_random<T, Distribution::truncated_normal>(draw, stream, y);
      case Distribution::bernoulli: return start_random<T, Distribution::bernoulli>(draw, stream, y);
    }
  });
}

// --- permutation ----------------------------------------------------------------------------------------------------

constexpr unsigned kSortThreads = 256;
constexpr int kOwned = 8;                                  // consecutive keys of a thread
constexpr std::int64_t kSortTile = kOwned * kSortThreads;  // keys of a block
constexpr int kDigitBits = 4, kDigits = 1 << kDigitBits;

__device__ inline int digit_of(std::uint64_t key, int shift) { return int(key >> shift) & (kDigits - 1); }

__global__ void permutation_keys(RandomStream stream, std::int64_t n, std::uint64_t* keys, std::int64_t* numbers) {
  stream = resolved(stream);
  for (std::int64_t i = first_item(); i < n; i += item_step()) {
    keys[i] = functors::permutation_key(stream, std::uint64_t(i));
    numbers[i] = i;
  }
}

// counts[digit * tiles + tile] = how many keys of the tile have the digit. Each thread counts in a column of its own.
__global__ void count_digits(std::int64_t n, int shift, const std::uint64_t* keys, std::int64_t* counts) {
  SharedMemory shared;
  int* columns = shared.array<int>(kDigits * int(kSortThreads));
  const int thread = int(threadIdx.x);
  for (int d = 0; d < kDigits; ++d) columns[d * int(kSortThreads) + thread] = 0;
  const std::int64_t begin = blockIdx.x * kSortTile + thread * kOwned;
  for (std::int64_t i = begin; i < begin + kOwned && i < n; ++i)
    ++columns[digit_of(keys[i], shift) * int(kSortThreads) + thread];
  __syncthreads();
  for (int d = thread / kWarp; d < kDigits; d += int(kSortThreads) / kWarp) {
    int sum = 0;
    for (int t = thread % kWarp; t < int(kSortThreads); t += kWarp) sum += columns[d * int(kSortThreads) + t];
    sum = warp_reduce(sum, Add{});
    if (thread % kWarp == 0) counts[std::int64_t{d} * gridDim.x + blockIdx.x] = sum;
  }
}

template <typename T>
__device__ T warp_prefix_sum(T value) {  // over this lane and those before it
  for (int offset = 1; offset < kWarp; offset *= 2) {
    const T before = __shfl_up_sync(kAllLanes, value, unsigned(offset));
    if (int(threadIdx.x) % kWarp >= offset) value += before;
  }
  return value;
}

// One block: counts[i] = the sum of all counts before i.
__global__ void sum_counts(std::int64_t n, std::int64_t* counts) {
  SharedMemory shared;
  auto* totals = shared.array<std::int64_t>(kWarp);
  const int warp = int(threadIdx.x) / kWarp, warps = int(blockDim.x) / kWarp;
  std::int64_t carry = 0;
  for (std::int64_t base = 0; base < n; base += blockDim.x) {
    const std::int64_t i = base + threadIdx.x, count = i < n ? counts[i] : 0;
    const std::int64_t upto = warp_prefix_sum(count);
    __syncthreads();  // the totals of the round before have been read
    if (threadIdx.x % kWarp == kWarp - 1) totals[warp] = upto;
    __syncthreads();
    std::int64_t before = carry;
    for (int w = 0; w < warps; ++w) {
      if (w < warp) before += totals[w];
      carry += totals[w];
    }
    if (i < n) counts[i] = before + upto - count;
  }
}

// Moves the keys of a tile, with their numbers, to where `counts` and the keys of equal digit before them put them.
__global__ void move_keys(std::int64_t n, int shift, const std::int64_t* counts, const std::uint64_t* keys,
                          const std::int64_t* numbers, std::uint64_t* sorted_keys, std::int64_t* sorted_numbers) {
  SharedMemory shared;
  int* columns = shared.array<int>(kDigits * int(kSortThreads));
  const int thread = int(threadIdx.x), lane = thread % kWarp;
  for (int d = 0; d < kDigits; ++d) columns[d * int(kSortThreads) + thread] = 0;
  const std::int64_t begin = blockIdx.x * kSortTile + thread * kOwned;
  for (std::int64_t i = begin; i < begin + kOwned && i < n; ++i)
    ++columns[digit_of(keys[i], shift) * int(kSortThreads) + thread];
  __syncthreads();
  for (int d = thread / kWarp; d < kDigits; d += int(kSortThreads) / kWarp) {
    int carry = 0;
    for (int base = 0; base < int(kSortThreads); base += kWarp) {
      int& column = columns[d * int(kSortThreads) + base + lane];
      const int count = column, upto = warp_prefix_sum(count);
      column = carry + upto - count;
      carry += __shfl_sync(kAllLanes, upto, kWarp - 1);
    }
  }
  __syncthreads();
  for (std::int64_t i = begin; i < begin + kOwned && i < n; ++i) {
    const int d = digit_of(keys[i], shift);
    const std::int64_t to =
        counts[std::int64_t{d} * gridDim.x + blockIdx.x] + columns[d * int(kSortThreads) + thread]++;
    sorted_keys[to] = keys[i];
    sorted_numbers[to] = numbers[i];
  }
}

void run_permutation(RandomStream stream, const Tensor& y) {
  const std::int64_t n = y.elements();
  const auto tiles = static_cast<unsigned>(ceil_div(n, kSortTile));
  const TensorOptions options{DType::i64, y.device()};
  const Tensor counts = empty({kDigits * std::int64_t{tiles}}, options), other = empty({n}, options);
  const Tensor keys[2] = {empty({n}, options), empty({n}, options)};
  const auto key_data = [&](int i) { return static_cast<std::uint64_t*>(keys[i].raw()); };
  std::int64_t* const numbers[2] = {y.data<std::int64_t>(), other.data<std::int64_t>()};
  const cudaStream_t on = stream_of(y);
  launch<permutation_keys>({.blocks = grid_for(y, n, kSortThreads), .threads = kSortThreads}, on, stream, n,
                           key_data(0), numbers[0]);
  const LaunchShape over_tiles{
      .blocks = dim3(tiles), .threads = kSortThreads, .shared_bytes = kDigits * kSortThreads * sizeof(int)};
  for (int shift = 0, from = 0; shift < 64; shift += kDigitBits, from = 1 - from) {  // an even number of passes: into y
    launch<count_digits>(over_tiles, on, n, shift, key_data(from), counts.data<std::int64_t>());
    launch<sum_counts>({.blocks = tiles > 0 ? 1u : 0u, .threads = 1024, .shared_bytes = kWarp * sizeof(std::int64_t)},
                       on, counts.elements(), counts.data<std::int64_t>());
    launch<move_keys>(over_tiles, on, n, shift, counts.data<std::int64_t>(), key_data(from), numbers[from],
                      key_data(1 - from), numbers[1 - from]);
  }
}

[[maybe_unused]] const bool registered[] = {
    random_forward.add({.device = kThisDevice, .name = "cuda.philox", .rank = 100, .run = run_random}),
    permutation_forward.add({.device = kThisDevice, .name = "cuda.radix_sort", .rank = 100, .run = run_permutation}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
