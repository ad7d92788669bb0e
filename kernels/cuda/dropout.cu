// Dropout in one pass, the mask drawn on the fly; the CPU's bits.
//   dropout_groups     contiguous: a thread draws groups of four elements, each from one Philox counter, and reads and
//                      writes packs of 16 bytes. f32 is bound by memory, 16-bit types by some 25 integer operations an
//                      element
//   dropout_elements   any layouts: a counter for each element, four times as much arithmetic
#include "core/ops/dropout.h"

#include "kernels/cuda/convert.h"
#include "kernels/cuda/flat.h"
#include "kernels/cuda/indexing.h"
#include "kernels/distributions.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

template <typename T>
struct Dropping {
  RandomStream stream;
  std::uint32_t limit;
  Compute<T> scale;
  __device__ T operator()(T x, std::uint32_t word) const {
    const Compute<T> value = to_compute(x) * scale;
    return to_storage<T>(word >> 8 < limit ? Compute<T>(0) : value);
  }
  template <typename F>
  void each_pointer(F&& visit) {
    stream.each_pointer(visit);
  }
};

// Thread i owns elements group * i … group * i + group - 1, then those a grid further on.
template <typename T>
__global__ void dropout_groups(Dropping<T> op, std::int64_t elements, bool packs, const T* x, T* y) {
  constexpr int n = kPackSize<T>, group = n < 4 ? 4 : n;
  op.stream = resolved(op.stream);
  for (std::int64_t at = first_item() * group; at < elements; at += item_step() * group) {
    std::uint32_t words[group];
    for (int i = 0; i < group; i += 4) {
      const Philox4 w = random_block(op.stream, std::uint64_t(at + i) / 4);
      for (int k = 0; k < 4; ++k) words[i + k] = w.word[k];
    }
    if (packs && at + group <= elements) {
      for (int first = 0; first < group; first += n) {
        Pack<T, n> pack = load_pack<n>(x + at + first);
        for (int i = 0; i < n; ++i) pack.at[i] = op(pack.at[i], words[first + i]);
        store_pack(y + at + first, pack);
      }
    } else {
      for (int i = 0; i < group; ++i)
        if (at + i < elements) y[at + i] = op(x[at + i], words[i]);
    }
  }
}

// The operands are x, the row-major index, which starts at `start`, and y.
template <typename T>
__global__ void dropout_elements(Dropping<T> op, Offsets<3> offsets, std::uint64_t start, const T* x, T* y) {
  op.stream = resolved(op.stream);
  for (unsigned item = first_index(); item < offsets.items; item += index_step()) {
    unsigned at[3];
    offsets.locate(item, at);
    y[at[2]] = op(x[at[0]], random_word(op.stream, start + at[1]));
  }
}

template <typename T>
void run_as(const Dropping<T>& op, const Tensor& x, const Tensor& y) {
  const T* from = x.data<T>();
  T* to = y.data<T>();
  if (x.contiguous_format() && y.contiguous_format()) {
    const std::int64_t threads = ceil_div(x.elements(), kPackSize<T> < 4 ? 4 : kPackSize<T>);
    launch<dropout_groups<T>>({.blocks = grid_for(y, threads, kFlatThreads), .threads = kFlatThreads}, stream_of(y), op,
                              x.elements(), packs_allowed<T>(from, to), from, to);
    return;
  }
  const Strides order = canonical_strides(x.shape(), MemoryFormat::contiguous);
  const MergedAxes<3> merged(x.shape(), {x.strides(), order, y.strides()}, 2);
  for_each_piece(merged, [&](const MergedAxes<3>& piece, const std::array<std::int64_t, 3>& start) {
    const Offsets<3> offsets(piece);
    launch<dropout_elements<T>>({.blocks = grid_for(y, offsets.items, kFlatThreads), .threads = kFlatThreads},
                                stream_of(y), op, offsets, std::uint64_t(start[1]), from + start[0], to + start[2]);
  });
}

void run(double p, RandomStream stream, const Tensor& x, const Tensor& y) {
  visit_floating(x.dtype(), "dropout_forward", [&]<typename T>() {
    run_as(Dropping<T>{stream, functors::drop_threshold(p), static_cast<Compute<T>>(1 / (1 - p))}, x, y);
  });
}

[[maybe_unused]] const bool registered[] = {
    dropout_forward.add({.device = kThisDevice, .name = "cuda.philox", .rank = 100, .run = run}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
