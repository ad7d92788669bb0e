// y = op(a, b, c) for every element: the two kernels that all elementwise families share, and the choice between them.
//   map_packs      packs of up to 16 bytes along the innermost axis, in which inputs are contiguous or constant: dense
//                  operands, scalars, and a bias per channel in either memory format
//   map_elements   any strides, one element at a time
// Both are bound by memory: they read each input and write the output once (a broadcast input mostly hits the cache).
//
// Note [Instantiations]: a kernel exists per function, dtype and layout, some 600 of them if each were compiled. So
// map_packs is compiled per function for f32, f16 and bf16; map_elements, f64 and integers take the function as a
// number, and a switch in the kernel, the same way for all threads, finds it.
#pragma once

#include <algorithm>
#include <type_traits>

#include "kernels/cuda/convert.h"
#include "kernels/cuda/indexing.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/memory.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

// body.operator()<code>(), found by halving the range of enumerators: for host and device code.
template <typename Code, int kBegin = 0, int kEnd = static_cast<int>(Code::count), typename Body>
constexpr decltype(auto) with_code(Code code, const Body& body) {
  if constexpr (kEnd - kBegin == 1) {
    return body.template operator()<static_cast<Code>(kBegin)>();
  } else {
    constexpr int kMiddle = (kBegin + kEnd) / 2;
    if (static_cast<int>(code) < kMiddle) return with_code<Code, kBegin, kMiddle>(code, body);
    return with_code<Code, kMiddle, kEnd>(code, body);
  }
}

// What functions are computed in: f32, f64, i64.
template <typename T>
using Wide = std::conditional_t<std::is_integral_v<T>, std::int64_t, Compute<T>>;
template <typename T>
__device__ Wide<T> widened(T value) {
  return static_cast<Wide<T>>(to_compute(value));
}
template <typename T>
__device__ T narrowed(Wide<T> value) {
  return to_storage<T>(static_cast<Compute<T>>(value));
}

// An op is a struct, handed to the kernel by value, with the number of its inputs, the types A, B, C of what it reads
// (Unused where there are fewer), Y of what it writes, and Y operator()(A, B, C).
struct Unused {};

template <typename Op>
struct Addresses {
  const typename Op::A* a;
  const typename Op::B* b;
  const typename Op::C* c;
  typename Op::Y* y;
  template <typename F>
  void each_pointer(F&& f) {
    f(a), f(b), f(c), f(y);
  }
};
template <typename Op>
inline constexpr int kPackOf = 16 / static_cast<int>(std::max({sizeof(typename Op::A), sizeof(typename Op::B),
                                                               sizeof(typename Op::C), sizeof(typename Op::Y)}));
inline constexpr unsigned kMapThreads = 256;

template <int n, typename T>
__device__ Pack<T, n> load_or_repeat(const T* from, bool constant) {
  if (!constant) return load_pack<n>(from);
  Pack<T, n> pack;
  const T value = *from;
  for (int i = 0; i < n; ++i) pack.at[i] = value;
  return pack;
}

// Thread i computes packs i, i + step, …; bit k of `constant` says that input k is the same all along the innermost
// axis.
template <typename Op>
__global__ void map_packs(Op op, Addresses<Op> in, Offsets<Op::kInputs + 1> offsets, unsigned constant) {
  constexpr int n = kPackOf<Op>;
  for (unsigned item = first_index(); item < offsets.items; item += index_step()) {
    unsigned at[Op::kInputs + 1];
    offsets.locate(item, at);
    Pack<typename Op::A, n> a;
    Pack<typename Op::B, n> b;
    Pack<typename Op::C, n> c;
    Pack<typename Op::Y, n> y;
    a = load_or_repeat<n>(in.a + at[0], constant & 1u);
    if constexpr (Op::kInputs > 1) b = load_or_repeat<n>(in.b + at[1], constant & 2u);
    if constexpr (Op::kInputs > 2) c = load_or_repeat<n>(in.c + at[2], constant & 4u);
#pragma unroll
    for (int i = 0; i < n; ++i) y.at[i] = op(a.at[i], b.at[i], c.at[i]);
    store_pack(in.y + at[Op::kInputs], y);
  }
}

// Thread i computes elements i, i + step, … in y's memory order.
template <typename Op>
__global__ void map_elements(Op op, Addresses<Op> in, Offsets<Op::kInputs + 1> offsets) {
  for (unsigned item = first_index(); item < offsets.items; item += index_step()) {
    unsigned at[Op::kInputs + 1];
    offsets.locate(item, at);
    typename Op::B b;
    typename Op::C c;
    if constexpr (Op::kInputs > 1) b = in.b[at[1]];
    if constexpr (Op::kInputs > 2) c = in.c[at[2]];
    in.y[at[Op::kInputs]] = op(in.a[at[0]], b, c);
  }
}

// --- host code ------------------------------------------------------------------------------------------------------

// A piece of the operands: addresses and axes.
template <int N>
struct MapPiece {
  void* data[N];
  MergedAxes<N> axes;
  const Tensor* device;
};
// The launches of one op; the code that chooses between them is compiled once per number of operands.
template <int N>
struct MapKernels {
  int pack;              // elements of a pack
  std::size_t bytes[N];  // of an element of each operand
  const void *pack_op, *op;
  void (*packs)(const void* op, const MapPiece<N>& piece, unsigned constant);
  void (*elements)(const void* op, const MapPiece<N>& piece);
};

template <typename Op>
Addresses<Op> addresses_of(void* const* data) {
  Addresses<Op> in{static_cast<const typename Op::A*>(data[0]), nullptr, nullptr,
                   static_cast<typename Op::Y*>(data[Op::kInputs])};
  if constexpr (Op::kInputs > 1) in.b = static_cast<const typename Op::B*>(data[1]);
  if constexpr (Op::kInputs > 2) in.c = static_cast<const typename Op::C*>(data[2]);
  return in;
}
template <typename Op>
void launch_packs(const void* op, const MapPiece<Op::kInputs + 1>& piece, unsigned constant) {
  const Offsets<Op::kInputs + 1> offsets(piece.axes, kPackOf<Op>);
  launch<map_packs<Op>>({.blocks = grid_for(*piece.device, offsets.items, kMapThreads), .threads = kMapThreads},
                        stream_of(*piece.device), *static_cast<const Op*>(op), addresses_of<Op>(piece.data), offsets,
                        constant);
}
template <typename Op>
void launch_elements(const void* op, const MapPiece<Op::kInputs + 1>& piece) {
  const Offsets<Op::kInputs + 1> offsets(piece.axes);
  launch<map_elements<Op>>({.blocks = grid_for(*piece.device, offsets.items, kMapThreads), .threads = kMapThreads},
                           stream_of(*piece.device), *static_cast<const Op*>(op), addresses_of<Op>(piece.data),
                           offsets);
}

// Which inputs are constant along the innermost axis, or -1 where packs do not fit: an operand has another stride than
// 0 or 1, is misaligned, or its rows do not begin at multiples of a pack. The innermost size is the caller's matter.
template <int N>
int constant_inputs(const MapPiece<N>& piece, const MapKernels<N>& kernels) {
  const MergedAxes<N>& axes = piece.axes;
  const int inner = axes.axes - 1;
  if (inner < 0 || axes.stride[N - 1][inner] != 1) return -1;
  int constant = 0;
  for (int k = 0; k < N; ++k) {
    if (axes.stride[k][inner] == 0) {
      constant |= 1 << k;
      continue;
    }
    if (axes.stride[k][inner] != 1) return -1;
    if (reinterpret_cast<std::uintptr_t>(piece.data[k]) % (kernels.bytes[k] * std::size_t(kernels.pack)) != 0)
      return -1;
    for (int i = 0; i < inner; ++i)
      if (axes.stride[k][i] % kernels.pack != 0) return -1;
  }
  return constant;
}

template <int N>
void map_piece(MapPiece<N> piece, const MapKernels<N>& kernels) {
  constexpr std::int64_t kWorthTwo = 4096;  // elements from which on a tail is worth a launch of its own
  const int constant = constant_inputs(piece, kernels);
  if (constant < 0) return kernels.elements(kernels.op, piece);
  std::int64_t& columns = piece.axes.size[piece.axes.axes - 1];
  const std::int64_t tail = columns % kernels.pack;
  if (tail == 0) return kernels.packs(kernels.pack_op, piece, unsigned(constant));
  if (piece.axes.axes > 1 || columns < kWorthTwo) return kernels.elements(kernels.op, piece);
  columns -= tail;
  kernels.packs(kernels.pack_op, piece, unsigned(constant));
  for (int k = 0; k < N; ++k)
    piece.data[k] =
        static_cast<std::byte*>(piece.data[k]) + std::size_t(columns * piece.axes.stride[k][0]) * kernels.bytes[k];
  columns = tail;
  kernels.elements(kernels.op, piece);
}

template <int N>
void run_map(const Tensor* const (&operands)[N], const MapKernels<N>& kernels) {
  for_each_piece(merge_axes(operands), [&](const MergedAxes<N>& axes, const auto& start) {
    MapPiece<N> piece{{}, axes, operands[N - 1]};
    for (int k = 0; k < N; ++k)
      piece.data[k] =
          static_cast<std::byte*>(operands[k]->raw()) + std::size_t(start[std::size_t(k)]) * kernels.bytes[k];
    map_piece(piece, kernels);
  });
}

// Operands: the inputs, which broadcast to the shape of the output, then the output. pack_op computes what op does.
template <typename PackOp, typename Op>
void map(const PackOp& pack_op, const Op& op, const Tensor* const (&operands)[Op::kInputs + 1]) {
  MapKernels<Op::kInputs + 1> kernels{kPackOf<PackOp>, {}, &pack_op, &op, launch_packs<PackOp>, launch_elements<Op>};
  for (int k = 0; k <= Op::kInputs; ++k) kernels.bytes[k] = bytes_of(operands[k]->dtype());
  run_map(operands, kernels);
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
