// Copy, convert and fill. Every kernel reads and writes each element once and is bound by memory.
//   move_words         one dtype, any layouts: moved as words, the widest (up to 16 bytes) that strides and addresses
//                      allow; dense layouts of one format are a single run of 16-byte words
//   transpose_tiles    one axis contiguous in x, another in y (contiguous <-> channels-last, transposed views): tiles
//                      through shared memory, so that reads and writes are both coalesced
//   convert_packs      floating dtypes, both contiguous along the innermost axis: 16 bytes at a time
//   convert_elements   any dtypes, any layouts, one element at a time; the source's dtype is a switch in the kernel
//   fill_packs, fill_words   dense and strided targets
// Written per width or per pair of floating dtypes, not per pair of all dtypes: 8 x 8 kernels would take minutes to
// compile for conversions that are rare.
#include "core/ops/copy.h"

#include <bit>

#include "kernels/conversion.h"
#include "kernels/cuda/convert.h"
#include "kernels/cuda/indexing.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/memory.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kUnroll = 4;  // independent reads of a thread on their way at once

struct alignas(16) Word16 {
  std::uint64_t half[2];
};

dim3 grid_of(const Tensor& y, unsigned items) { return grid_for(y, ceil_div<std::int64_t>(items, kUnroll), kThreads); }

// By the instructions there are for 16-bit floats.
template <typename To, typename From>
__device__ To converted(From value) {
  if constexpr (!std::is_same_v<To, From> && std::is_same_v<Compute<To>, float> && std::is_same_v<Compute<From>, float>)
    return to_storage<To>(to_compute(value));
  else
    return functors::convert<To>(value);
}

// --- one dtype ------------------------------------------------------------------------------------------------------

// Thread i moves words i, i + step, … in y's memory order, four of them read before the first is written.
template <typename Word>
__global__ void move_words(Offsets<2> offsets, const Word* x, Word* y) {
  const unsigned step = index_step();
  for (unsigned first = first_index(); first < offsets.items; first += kUnroll * step) {
    Pack<Word, 1> value[kUnroll];
    unsigned to[kUnroll];
#pragma unroll
    for (unsigned u = 0; u < kUnroll; ++u) {
      if (first + u * step >= offsets.items) break;
      unsigned at[2];
      offsets.locate(first + u * step, at);
      value[u] = load_pack<1>(x + at[0]);
      to[u] = at[1];
    }
#pragma unroll
    for (unsigned u = 0; u < kUnroll; ++u) {
      if (first + u * step >= offsets.items) break;
      store_pack(y + to[u], value[u]);
    }
  }
}

// A plane of tiles for each item of the batch: a elements along the axis in which x is contiguous, b along y's.
struct Plane {
  unsigned a = 0, b = 0;
  unsigned x_step = 0;  // of x along b
  unsigned y_step = 0;  // of y along a
  unsigned tiles_a = 0, tiles_b = 0;
};
// Elements of a tile's side, and of a row of it in shared memory: the rest makes rows start in different banks.
template <typename T>
constexpr int kTile = sizeof(T) <= 2 ? 64 : 32;
template <typename T>
constexpr int kTilePitch = kTile<T> + (sizeof(T) < 4 ? 4 / int(sizeof(T)) : 1);

// Blocks of 32 x 8 threads take tiles in turn. A warp reads rows of the tile along a and writes rows along b.
template <typename From, typename To>
__global__ void transpose_tiles(Offsets<2> batch, Plane plane, const From* x, To* y) {
  constexpr unsigned kSide = kTile<From>, kPitch = kTilePitch<From>;
  SharedMemory shared;
  From* tile = shared.array<From>(kSide * kPitch);
  const unsigned lane = threadIdx.x % 32, row = threadIdx.x / 32;
  const unsigned tiles = plane.tiles_a * plane.tiles_b * batch.items;
  for (unsigned t = blockIdx.x; t < tiles; t += gridDim.x) {
    const unsigned a = t % plane.tiles_a * kSide, rest = t / plane.tiles_a, b = rest % plane.tiles_b * kSide;
    unsigned at[2];
    batch.locate(rest / plane.tiles_b, at);
    __syncthreads();  // the tile before has been written out
    for (unsigned r = row; r < kSide; r += kThreads / 32)
      for (unsigned c = lane; c < kSide; c += 32)
        if (b + r < plane.b && a + c < plane.a) tile[r * kPitch + c] = x[at[0] + (b + r) * plane.x_step + a + c];
    __syncthreads();
    for (unsigned r = row; r < kSide; r += kThreads / 32)
      for (unsigned c = lane; c < kSide; c += 32)
        if (a + r < plane.a && b + c < plane.b)
          y[at[1] + (a + r) * plane.y_step + b + c] = converted<To>(tile[c * kPitch + r]);
  }
}

// The axis in which operand k is contiguous and which is long enough for tiles, or -1.
int contiguous_axis(const MergedAxes<2>& merged, int k) {
  for (int i = 0; i < merged.axes; ++i)
    if (merged.stride[k][i] == 1 && merged.size[i] >= 8) return i;
  return -1;
}

// Whether the copy was done by tiles: two long axes, one contiguous in x and the other in y.
template <typename From, typename To>
bool transpose(const MergedAxes<2>& merged, const Tensor& device, const From* x, To* y) {
  const int axis_a = contiguous_axis(merged, 0), axis_b = contiguous_axis(merged, 1);
  if (axis_a < 0 || axis_b < 0 || axis_a == axis_b || merged.stride[1][axis_a] == 1 || merged.stride[0][axis_b] == 1)
    return false;
  MergedAxes<2> batch = merged;
  batch.axes = 0;
  for (int i = 0; i < merged.axes; ++i) {
    if (i == axis_a || i == axis_b) continue;
    batch.size[batch.axes] = merged.size[i];
    for (int k = 0; k < 2; ++k) batch.stride[k][batch.axes] = merged.stride[k][i];
    ++batch.axes;
  }
  const Offsets<2> offsets(batch);
  Plane plane{unsigned(merged.size[axis_a]), unsigned(merged.size[axis_b]), unsigned(merged.stride[0][axis_b]),
              unsigned(merged.stride[1][axis_a])};
  plane.tiles_a = ceil_div(plane.a, unsigned(kTile<From>));
  plane.tiles_b = ceil_div(plane.b, unsigned(kTile<From>));
  const std::int64_t tiles = std::int64_t{plane.tiles_a} * plane.tiles_b * offsets.items;
  launch<transpose_tiles<From, To>>({.blocks = grid_for(device, tiles * kThreads, kThreads),
                                     .threads = kThreads,
                                     .shared_bytes = kTile<From> * kTilePitch<From> * sizeof(From)},
                                    stream_of(device), offsets, plane, x, y);
  return true;
}

// Elements of `bytes` bytes as words of `word` bytes, where addresses and layout allow: both contiguous along the
// innermost axis, everything else a multiple of the word.
bool widen(MergedAxes<2>& merged, std::uintptr_t x, std::uintptr_t y, std::int64_t bytes, std::int64_t word) {
  const std::int64_t pack = word / bytes;
  const int inner = merged.axes - 1;
  if (pack <= 1) return pack == 1;
  if (inner < 0 || merged.stride[0][inner] != 1 || merged.stride[1][inner] != 1) return false;
  if (x % std::uintptr_t(word) != 0 || y % std::uintptr_t(word) != 0 || merged.size[inner] % pack != 0) return false;
  for (int i = 0; i < inner; ++i)
    if (merged.stride[0][i] % pack != 0 || merged.stride[1][i] % pack != 0) return false;
  merged.size[inner] /= pack;
  for (int i = 0; i < inner; ++i)
    for (int k = 0; k < 2; ++k) merged.stride[k][i] /= pack;
  return true;
}

template <typename Word>
void move_as(const MergedAxes<2>& merged, const Tensor& device, const void* x, void* y) {
  for_each_piece(merged, [&](const MergedAxes<2>& piece, const std::array<std::int64_t, 2>& start) {
    const auto* from = static_cast<const Word*>(x) + start[0];
    auto* to = static_cast<Word*>(y) + start[1];
    if constexpr (sizeof(Word) <= 8)
      if (transpose(piece, device, from, to)) return;
    const Offsets<2> offsets(piece);
    launch<move_words<Word>>({.blocks = grid_of(device, offsets.items), .threads = kThreads}, stream_of(device),
                             offsets, from, to);
  });
}

// Elements of `bytes` bytes from x to y (addresses), in the widest words.
void move(MergedAxes<2> merged, const Tensor& device, const std::byte* x, std::byte* y, std::int64_t bytes) {
  if (merged.axes == 1 && merged.stride[0][0] == 1 && merged.stride[1][0] == 1) {  // one run: a tail is moved apart
    const std::int64_t whole = merged.size[0] / (16 / bytes) * (16 / bytes), tail = merged.size[0] - whole;
    if (whole > 0 && tail > 0) {
      merged.size[0] = tail;
      move(merged, device, x + whole * bytes, y + whole * bytes, bytes);
      merged.size[0] = whole;
    }
  }
  const auto from = reinterpret_cast<std::uintptr_t>(x), to = reinterpret_cast<std::uintptr_t>(y);
  if (widen(merged, from, to, bytes, 16)) return move_as<Word16>(merged, device, x, y);
  if (widen(merged, from, to, bytes, 8)) return move_as<std::uint64_t>(merged, device, x, y);
  if (widen(merged, from, to, bytes, 4)) return move_as<std::uint32_t>(merged, device, x, y);
  if (widen(merged, from, to, bytes, 2)) return move_as<std::uint16_t>(merged, device, x, y);
  move_as<std::uint8_t>(merged, device, x, y);
}

// --- another dtype --------------------------------------------------------------------------------------------------

// As many elements as 16 bytes of the wider type hold.
template <typename From, typename To>
constexpr int kConverted = 16 / int(sizeof(From) > sizeof(To) ? sizeof(From) : sizeof(To));

// Thread i converts packs i, i + step, …; the offsets count packs.
template <typename From, typename To>
__global__ void convert_packs(Offsets<2> offsets, const From* x, To* y) {
  constexpr int n = kConverted<From, To>;
  for (unsigned item = first_index(); item < offsets.items; item += index_step()) {
    unsigned at[2];
    offsets.locate(item, at);
    const Pack<From, n> from = load_pack<n>(x + at[0]);
    Pack<To, n> to;
    for (int i = 0; i < n; ++i) to.at[i] = converted<To>(from.at[i]);
    store_pack(y + at[1], to);
  }
}

template <typename To>
__device__ To load_as(DType dtype, const void* x, unsigned at) {
  switch (dtype) {
    case DType::f32: return converted<To>(static_cast<const float*>(x)[at]);
    case DType::f64: return converted<To>(static_cast<const double*>(x)[at]);
    case DType::f16: return converted<To>(static_cast<const Half*>(x)[at]);
    case DType::bf16: return converted<To>(static_cast<const BFloat16*>(x)[at]);
    case DType::i32: return converted<To>(static_cast<const std::int32_t*>(x)[at]);
    case DType::i64: return converted<To>(static_cast<const std::int64_t*>(x)[at]);
    case DType::u8: return converted<To>(static_cast<const std::uint8_t*>(x)[at]);
    default: return converted<To>(static_cast<const bool*>(x)[at]);
  }
}

// Thread i converts elements i, i + step, … in y's memory order.
template <typename To>
__global__ void convert_elements(Offsets<2> offsets, DType dtype, const void* x, To* y) {
  for (unsigned item = first_index(); item < offsets.items; item += index_step()) {
    unsigned at[2];
    offsets.locate(item, at);
    y[at[1]] = load_as<To>(dtype, x, at[0]);
  }
}

// Whether the elements can be read and written in packs of n: contiguous and aligned, strides multiples of n.
template <int n, typename From, typename To>
bool packs_fit(const MergedAxes<2>& merged, const From* x, const To* y) {
  const int inner = merged.axes - 1;
  if (inner < 0 || merged.stride[0][inner] != 1 || merged.stride[1][inner] != 1 || merged.size[inner] % n != 0)
    return false;
  for (int i = 0; i < inner; ++i)
    if (merged.stride[0][i] % n != 0 || merged.stride[1][i] % n != 0) return false;
  return pack_aligned<n>(x) && pack_aligned<n>(y);
}

// Between floating dtypes. False when neither tiles nor packs fit.
template <typename From, typename To>
bool convert_floating(const MergedAxes<2>& piece, const Tensor& device, const From* x, To* y) {
  constexpr int n = kConverted<From, To>;
  if (transpose(piece, device, x, y)) return true;
  if (!packs_fit<n>(piece, x, y)) return false;
  const Offsets<2> offsets(piece, n);
  launch<convert_packs<From, To>>({.blocks = grid_for(device, offsets.items, kThreads), .threads = kThreads},
                                  stream_of(device), offsets, x, y);
  return true;
}

void convert_piece(const MergedAxes<2>& piece, const Tensor& x, std::int64_t x_start, const Tensor& y,
                   std::int64_t y_start) {
  if (is_floating(x.dtype()) && is_floating(y.dtype())) {
    bool done = false;
    visit_floating(x.dtype(), "copy", [&]<typename From>() {
      visit_floating(y.dtype(), "copy", [&]<typename To>() {
        if constexpr (!std::is_same_v<From, To>)
          done = convert_floating(piece, y, x.data<From>() + x_start, y.data<To>() + y_start);
      });
    });
    if (done) return;
  }
  const auto* from = static_cast<const std::byte*>(x.raw()) + x_start * std::int64_t(bytes_of(x.dtype()));
  const Offsets<2> offsets(piece);
  visit_any(y.dtype(), "copy", [&]<typename To>() {
    launch<convert_elements<To>>({.blocks = grid_for(y, offsets.items, kThreads), .threads = kThreads}, stream_of(y),
                                 offsets, x.dtype(), static_cast<const void*>(from), y.data<To>() + y_start);
  });
}

void copy(const Tensor& x, const Tensor& y) {
  if (x.elements() == 0) return;
  const MergedAxes<2> merged = merge_axes<2>({&x, &y});
  if (x.dtype() == y.dtype())
    return move(merged, y, static_cast<const std::byte*>(x.raw()), static_cast<std::byte*>(y.raw()),
                std::int64_t(bytes_of(x.dtype())));
  for_each_piece(merged, [&](const MergedAxes<2>& piece, const std::array<std::int64_t, 2>& start) {
    convert_piece(piece, x, start[0], y, start[1]);
  });
}

// --- fill -----------------------------------------------------------------------------------------------------------

template <typename Word>
__global__ void fill_packs(std::int64_t elements, Word value, Word* y) {
  constexpr int n = kPackSize<Word>;
  Pack<Word, n> pack;
  for (int i = 0; i < n; ++i) pack.at[i] = value;
  for (std::int64_t i = first_item(); i < elements / n; i += item_step()) store_pack(y + i * n, pack);
  for (std::int64_t i = elements / n * n + first_item(); i < elements; i += item_step()) y[i] = value;
}

template <typename Word>
__global__ void fill_words(Offsets<1> offsets, Word value, Word* y) {
  for (unsigned item = first_index(); item < offsets.items; item += index_step()) {
    unsigned at[1];
    offsets.locate(item, at);
    y[at[0]] = value;
  }
}

template <typename Word>
void fill_with(Word value, const Tensor& y) {
  Word* to = static_cast<Word*>(y.raw());
  if (y.layout().dense() && pack_aligned<kPackSize<Word>>(to)) {
    launch<fill_packs<Word>>(
        {.blocks = grid_for(y, ceil_div(y.elements(), kPackSize<Word>), kThreads), .threads = kThreads}, stream_of(y),
        y.elements(), value, to);
    return;
  }
  for_each_piece(merge_axes<1>({&y}), [&](const MergedAxes<1>& piece, const std::array<std::int64_t, 1>& start) {
    const Offsets<1> offsets(piece);
    launch<fill_words<Word>>({.blocks = grid_for(y, offsets.items, kThreads), .threads = kThreads}, stream_of(y),
                             offsets, value, to + start[0]);
  });
}

void fill(double value, const Tensor& y) {
  visit_any(y.dtype(), "fill", [&]<typename T>() {
    const T element = functors::convert<T>(value);
    if constexpr (sizeof(T) == 1)
      fill_with(std::bit_cast<std::uint8_t>(element), y);
    else if constexpr (sizeof(T) == 2)
      fill_with(std::bit_cast<std::uint16_t>(element), y);
    else if constexpr (sizeof(T) == 4)
      fill_with(std::bit_cast<std::uint32_t>(element), y);
    else
      fill_with(std::bit_cast<std::uint64_t>(element), y);
  });
}

[[maybe_unused]] const bool registered[] = {
    copy_forward.add({.device = kThisDevice, .name = "cuda.words", .rank = 100, .run = copy}),
    fill_forward.add({.device = kThisDevice, .name = "cuda.packs", .rank = 100, .run = fill}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
