// Looks for poison in what the host is about to read.

#include <bit>
#include <vector>

#include "core/tensor.h"
#include "kernels/emulation/emulation.h"
#include "kernels/emulation/red_zone.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

// Bit patterns that only poison has: as it was written, or after arithmetic has set a NaN's quiet bit.
template <typename T>
std::int64_t first_poisoned(const void* data, std::int64_t elements, T pattern, T mask) {
  const T* at = static_cast<const T*>(data);
  for (std::int64_t i = 0; i < elements; ++i)
    if ((at[i] & mask) == (pattern & mask)) return i;
  return -1;
}

std::int64_t first_poisoned(const void* data, std::int64_t elements, DType dtype) {
  constexpr std::uint64_t word = emulation::kPoison, wide = word << 48 | word << 32 | word << 16 | word;
  // Floating-point NaNs keep their payload through arithmetic, but not their sign.
  switch (dtype) {
    case DType::f32: return first_poisoned<std::uint32_t>(data, elements, std::uint32_t(wide), 0x7fffffffu);
    case DType::f64: return first_poisoned<std::uint64_t>(data, elements, wide, ~std::uint64_t{0} >> 1);
    case DType::f16:
    case DType::bf16: return first_poisoned<std::uint16_t>(data, elements, std::uint16_t(word), 0x7fffu);
    case DType::i32: return first_poisoned<std::uint32_t>(data, elements, std::uint32_t(wide), ~0u);
    case DType::i64: return first_poisoned<std::uint64_t>(data, elements, wide, ~std::uint64_t{0});
    // Any byte is a number; eight poisoned ones in a row are not.
    default: {
      const std::int64_t at = first_poisoned<std::uint64_t>(data, elements / 8, wide, ~std::uint64_t{0});
      return at < 0 ? at : at * 8;
    }
  }
}

}  // namespace

void check_written(const Tensor& x) {
  const std::lock_guard lock(emulation::turn());
  emulation::check_red_zone(x.raw());
  const std::int64_t at = first_poisoned(emulation::to_kernel_address(x.raw()), x.elements(), x.dtype());
  if (at < 0) return;
  const emulation::Allocation* allocation = emulation::allocation_of(x.raw());
  const char* writer = allocation ? allocation->writer : nullptr;
  fail(ErrorKind::internal, "emulated", "element ", at, " of ", x.dtype(), " ", x.shape(),
       " is memory that was never written, or was computed from such; ",
       writer ? message("the last kernel to write to it was ", writer) : std::string("no kernel wrote to it"));
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
