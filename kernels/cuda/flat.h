// Flat ranges of memory, several of one length and dtype together, in packs of 16 bytes where addresses allow and
// element by element where not: what updates of parameters and random numbers go over.
#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/cuda/memory.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

inline constexpr unsigned kFlatThreads = 256;

// Calls body.operator()<n>(first) for this thread's share of the packs [first, first + n), then body.operator()<1>()
// for its share of the elements that are left; n is 1 throughout when `packs` is false.
template <int n, typename Body>
__device__ void each_pack(std::int64_t elements, bool packs, const Body& body) {
  const std::int64_t whole = packs ? elements / n : 0;
  for (std::int64_t i = first_item(); i < whole; i += item_step()) body.template operator()<n>(i * n);
  for (std::int64_t i = whole * n + first_item(); i < elements; i += item_step()) body.template operator()<1>(i);
}

// Host code: whether all addresses (null ones aside) allow packs.
template <typename T, typename... Rest>
bool packs_allowed(const Rest*... data) {
  return (pack_aligned<kPackSize<T>>(data) && ...);
}
template <typename T>
dim3 flat_grid(const Tensor& y, std::int64_t elements) {
  return grid_for(y, ceil_div(elements, kPackSize<T>), kFlatThreads);
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
