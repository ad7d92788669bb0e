// Loops over tensors of any layout and dtype, for functions of one element each. Axes are put in the output's memory
// order and merged; the loop body then sees short contiguous blocks in the compute type: operands that are dense and of
// that type in place, all others (strided, broadcast, 16-bit, small integers) gathered into and out of a buffer.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "core/parallel.h"
#include "core/tensor.h"
#include "kernels/cpu/level.h"
#include "kernels/strided.h"

namespace weft::cpu::WEFT_CPU_LEVEL {

inline constexpr std::int64_t kBlock = 512;    // elements of a buffer
inline constexpr std::int64_t kGrain = 32768;  // elements a thread is worth

// What the elements of a dtype become in a block.
constexpr DType compute_dtype(DType dtype) {
  if (dtype == DType::f64) return DType::f64;
  return is_floating(dtype) ? DType::f32 : DType::i64;
}

// y[i] = in[0][i] … : all blocks contiguous, in their block dtypes; out may equal an input.
using Body = void (*)(const void* scalars, const void* const* in, void* out, std::int64_t n);

template <typename From, typename To>
To convert(From value) {
  return static_cast<To>(static_cast<Compute<From>>(value));
}
// stride in elements; contiguous and constant operands have loops of their own, which vectorise.
template <typename From, typename To>
void gather(const From* from, std::int64_t stride, std::int64_t n, To* to) {
  if (stride == 1) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = convert<From, To>(from[i]);
  } else if (stride == 0) {
    std::fill(to, to + n, convert<From, To>(*from));
  } else {
    for (std::int64_t i = 0; i < n; ++i) to[i] = convert<From, To>(from[i * stride]);
  }
}
template <typename From, typename To>
void scatter(const From* from, std::int64_t n, To* to, std::int64_t stride) {
  if (stride == 1) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<To>(static_cast<Compute<To>>(from[i]));
  } else {
    for (std::int64_t i = 0; i < n; ++i) to[i * stride] = static_cast<To>(static_cast<Compute<To>>(from[i]));
  }
}

// The same by dtype. Of a boolean there are two block types: boolean itself and i64.
inline void gather_block(const void* from, DType dtype, std::int64_t stride, std::int64_t n, void* to, DType block) {
  switch (dtype) {
    case DType::f32: return gather(static_cast<const float*>(from), stride, n, static_cast<float*>(to));
    case DType::f64: return gather(static_cast<const double*>(from), stride, n, static_cast<double*>(to));
    case DType::f16: return gather(static_cast<const Half*>(from), stride, n, static_cast<float*>(to));
    case DType::bf16: return gather(static_cast<const BFloat16*>(from), stride, n, static_cast<float*>(to));
    case DType::i32: return gather(static_cast<const std::int32_t*>(from), stride, n, static_cast<std::int64_t*>(to));
    case DType::i64: return gather(static_cast<const std::int64_t*>(from), stride, n, static_cast<std::int64_t*>(to));
    case DType::u8: return gather(static_cast<const std::uint8_t*>(from), stride, n, static_cast<std::int64_t*>(to));
    case DType::boolean:
      if (block == DType::boolean) return gather(static_cast<const bool*>(from), stride, n, static_cast<bool*>(to));
      return gather(static_cast<const bool*>(from), stride, n, static_cast<std::int64_t*>(to));
  }
}
inline void scatter_block(const void* from, DType block, std::int64_t n, void* to, DType dtype, std::int64_t stride) {
  switch (dtype) {
    case DType::f32: return scatter(static_cast<const float*>(from), n, static_cast<float*>(to), stride);
    case DType::f64: return scatter(static_cast<const double*>(from), n, static_cast<double*>(to), stride);
    case DType::f16: return scatter(static_cast<const float*>(from), n, static_cast<Half*>(to), stride);
    case DType::bf16: return scatter(static_cast<const float*>(from), n, static_cast<BFloat16*>(to), stride);
    case DType::i32: return scatter(static_cast<const std::int64_t*>(from), n, static_cast<std::int32_t*>(to), stride);
    case DType::i64: return scatter(static_cast<const std::int64_t*>(from), n, static_cast<std::int64_t*>(to), stride);
    case DType::u8: return scatter(static_cast<const std::int64_t*>(from), n, static_cast<std::uint8_t*>(to), stride);
    case DType::boolean:
      if (block == DType::boolean) return scatter(static_cast<const bool*>(from), n, static_cast<bool*>(to), stride);
      return scatter(static_cast<const std::int64_t*>(from), n, static_cast<bool*>(to), stride);
  }
}

// N operands (the last one the output), walked together.
template <int N>
struct Walk {
  StridedLoop<N> loop;
  std::byte* data[N];
  DType dtype[N];
  DType block[N];
  bool direct[N];  // used in place, without a buffer
  bool all_direct = true;

  Walk(const Tensor* const (&operands)[N], const DType (&blocks)[N])
      : loop(operands[N - 1]->shape(), strides_of(operands), N - 1) {
    for (int k = 0; k < N; ++k) {
      data[k] = static_cast<std::byte*>(operands[k]->raw());
      dtype[k] = operands[k]->dtype();
      block[k] = blocks[k];
      direct[k] = (loop.step[k] == 1 || loop.columns == 1) && dtype[k] == block[k];
      all_direct = all_direct && direct[k];
    }
  }

  static std::array<Strides, N> strides_of(const Tensor* const (&operands)[N]) {
    std::array<Strides, N> strides;
    for (int k = 0; k < N; ++k) strides[k] = broadcast_strides(operands[k]->layout(), operands[N - 1]->shape());
    return strides;
  }
  std::byte* at(int operand, std::int64_t offset) const {
    return data[operand] + offset * std::int64_t(bytes_of(dtype[operand]));
  }
};

// n elements of one row; offsets are the operands' places of the first.
template <int N>
void run_columns(const Walk<N>& walk, Body body, const void* scalars, std::array<std::int64_t, std::size_t(N)> offsets,
                 std::int64_t n) {
  alignas(64) std::byte buffers[N][kBlock * 8];
  for (std::int64_t begin = 0; begin < n;) {
    const std::int64_t count = walk.all_direct ? n : std::min(kBlock, n - begin);
    const void* in[N];
    for (int k = 0; k < N; ++k) {
      const std::int64_t step = walk.loop.step[k];
      std::byte* const at = walk.at(k, offsets[k] + begin * step);
      in[k] = walk.direct[k] ? at : buffers[k];
      // A constant operand is gathered once: later blocks are at most as long as the first.
      if (!walk.direct[k] && k < N - 1 && (step != 0 || begin == 0))
        gather_block(at, walk.dtype[k], step, count, buffers[k], walk.block[k]);
    }
    body(scalars, in, const_cast<void*>(in[N - 1]), count);
    if (!walk.direct[N - 1]) {
      const std::int64_t step = walk.loop.step[N - 1];
      scatter_block(buffers[N - 1], walk.block[N - 1], count, walk.at(N - 1, offsets[N - 1] + begin * step),
                    walk.dtype[N - 1], step);
    }
    begin += count;
  }
}

// The elements [begin, end) of the walk, in its order.
template <int N>
void run_range(const Walk<N>& walk, Body body, const void* scalars, std::int64_t begin, std::int64_t end) {
  std::int64_t row = begin / walk.loop.columns, column = begin % walk.loop.columns;
  for (; begin < end; ++row, column = 0) {
    std::array<std::int64_t, std::size_t(N)> offsets = walk.loop.row_offsets(row);
    for (int k = 0; k < N; ++k) offsets[std::size_t(k)] += column * walk.loop.step[std::size_t(k)];
    const std::int64_t n = std::min(walk.loop.columns - column, end - begin);
    run_columns(walk, body, scalars, offsets, n);
    begin += n;
  }
}

// Runs the body over all elements: operands = inputs, then the output.
template <int N>
void run_elementwise(Body body, const void* scalars, const Tensor* const (&operands)[N], const DType (&blocks)[N]) {
  const Tensor& y = *operands[N - 1];
  bool dense = true;
  for (int k = 0; dense && k < N; ++k) {
    const Tensor& x = *operands[k];
    dense = x.dtype() == blocks[k] && x.format() == y.format() && x.layout().dense() && x.shape() == y.shape();
  }
  const std::int64_t elements = y.elements();
  if (elements == 0) return;
  if (!dense) {
    const Walk<N> walk(operands, blocks);
    parallel_for(elements, kGrain,
                 [&](std::int64_t begin, std::int64_t end) { run_range(walk, body, scalars, begin, end); });
    return;
  }
  parallel_for(elements, kGrain, [&](std::int64_t begin, std::int64_t end) {
    const void* in[N];
    for (int k = 0; k < N; ++k)
      in[k] = static_cast<std::byte*>(operands[k]->raw()) + begin * std::int64_t(bytes_of(blocks[k]));
    body(scalars, in, const_cast<void*>(in[N - 1]), end - begin);
  });
}

}  // namespace weft::cpu::WEFT_CPU_LEVEL
