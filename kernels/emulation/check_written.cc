// Looks for poison, and for what red zones hold, in what the host is about to read.

#include <string>

#include "core/tensor.h"
#include "kernels/emulation/emulation.h"
#include "kernels/emulation/red_zone.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

using emulation::kPoison;
using emulation::kRedZoneWord;
using emulation::kRedZoneWords;

template <typename Word>
constexpr Word repeated(std::uint16_t word) {
  return static_cast<Word>(~std::uint64_t{0} / 0xffff * word);
}

struct Found {
  std::int64_t at = -1;
  bool beyond = false;  // what a red zone holds, not poison
};

// Bit patterns that only poison and red zones have: as they were written, or after arithmetic on NaNs, which keep their
// payload but not their sign.
template <typename Word, bool Floating>
Found find_patterns(const void* data, std::int64_t elements) {
  constexpr Word sign = Floating ? Word(Word(1) << (8 * sizeof(Word) - 1)) : Word(0);
  constexpr Word begin = repeated<Word>(kRedZoneWord) | sign, poison = repeated<Word>(kPoison) | sign;
  const Word* values = static_cast<const Word*>(data);
  for (std::int64_t i = 0; i < elements; ++i) {
    const Word value = values[i] | sign;
    if ((value & begin) != begin) continue;
    if (value == poison) return {i, false};
    bool beyond = true;
    for (std::size_t at = 0; at < 8 * sizeof(Word); at += 16)
      beyond = beyond && static_cast<std::uint16_t>(value >> at) < kRedZoneWord + kRedZoneWords;
    if (beyond) return {i, true};
  }
  return {};
}

Found find_patterns(const void* data, std::int64_t elements, DType dtype) {
  switch (dtype) {
    case DType::f32: return find_patterns<std::uint32_t, true>(data, elements);
    case DType::f64: return find_patterns<std::uint64_t, true>(data, elements);
    case DType::f16:
    case DType::bf16: return find_patterns<std::uint16_t, true>(data, elements);
    case DType::i32: return find_patterns<std::uint32_t, false>(data, elements);
    case DType::i64: return find_patterns<std::uint64_t, false>(data, elements);
    // Any byte is a number; eight such ones in a row are not.
    default: {
      const Found eight = find_patterns<std::uint64_t, false>(data, elements / 8);
      return {eight.at < 0 ? eight.at : eight.at * 8, eight.beyond};
    }
  }
}

}  // namespace

void check_written(const Tensor& x) {
  const std::lock_guard lock(emulation::turn());
  emulation::check_red_zones(x.raw());
  const Found found = find_patterns(emulation::to_kernel_address(x.raw()), x.elements(), x.dtype());
  if (found.at < 0) return;
  const emulation::Allocation* allocation = emulation::allocation_of(x.raw());
  const char* writer = allocation ? allocation->writer : nullptr;
  fail(ErrorKind::internal, "emulated", "element ", found.at, " of ", x.dtype(), " ", x.shape(),
       found.beyond ? " lay beyond an array" : " is memory that was never written", ", or was computed from such; ",
       writer ? message("the last kernel to write to it was ", writer) : std::string("no kernel wrote to it"));
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
