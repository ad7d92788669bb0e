// The emulator's half of kernels/cuda/marks.h: memory that changes hands is poisoned, in the order of the stream.
#pragma once

#include "core/tensor.h"
#include "kernels/emulation/emulation.h"
#include "kernels/emulation/marks.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

inline constexpr std::size_t kRedZone = emulation::kRedZone;
using emulation::Where;

inline void handed_out(void* block, std::size_t bytes, std::size_t whole, cudaStream_t stream, bool captured) {
  auto mark = [=] { emulation::mark_handed_out(block, bytes, whole); };
  captured ? emulation::submit(stream, mark) : emulation::submit_uncaptured(stream, mark);
}
inline void taken_back(void* block, std::size_t whole, cudaStream_t stream, bool captured) {
  auto mark = [=] { emulation::mark_taken_back(block, whole); };
  captured ? emulation::submit(stream, mark) : emulation::submit_uncaptured(stream, mark);
}

// Throws when the tensor, whose work is done, holds memory that nobody wrote, or what was computed from such.
void check_written(const Tensor& x);

// Throws when an access of so many bytes at this address would fault on a GPU.
inline void check_aligned(const void* data, std::size_t bytes, const Where& where) {
  if (reinterpret_cast<std::uintptr_t>(data) % bytes != 0)
    emulation::complain(where, "an access of " + std::to_string(bytes) + " bytes at a misaligned address");
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
