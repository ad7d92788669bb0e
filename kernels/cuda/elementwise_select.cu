// Comparisons and selection. See elementwise.h for the kernels. A comparison finds its function by a switch: there is
// next to nothing to compute. where() only moves bits and is compiled per width.
#include "core/ops/elementwise.h"
#include "kernels/cuda/elementwise.h"
#include "kernels/functors.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

template <typename T>
struct Compare {
  static constexpr int kInputs = 2;
  using A = T;
  using B = T;
  using C = Unused;
  using Y = bool;
  Comparison code;
  __device__ bool operator()(T a, T b, Unused) const {
    return with_code(
        code, [&]<Comparison found>() -> bool { return functors::Function<found>::value(widened(a), widened(b)); });
  }
};

void compare(Comparison f, const Tensor& a, const Tensor& b, const Tensor& y) {
  visit_any(a.dtype(), "compare_forward", [&]<typename T>() {
    const Compare<T> op{f};
    map(op, op, {&a, &b, &y});
  });
}

template <typename Word>
struct Choose {
  static constexpr int kInputs = 3;
  using A = std::uint8_t;  // the condition
  using B = Word;
  using C = Word;
  using Y = Word;
  __device__ Word operator()(std::uint8_t condition, Word a, Word b) const { return condition != 0 ? a : b; }
};

template <typename Word>
void choose(const Tensor& condition, const Tensor& a, const Tensor& b, const Tensor& y) {
  map(Choose<Word>{}, Choose<Word>{}, {&condition, &a, &b, &y});
}
void where(const Tensor& condition, const Tensor& a, const Tensor& b, const Tensor& y) {
  switch (bytes_of(y.dtype())) {
    case 1: return choose<std::uint8_t>(condition, a, b, y);
    case 2: return choose<std::uint16_t>(condition, a, b, y);
    case 4: return choose<std::uint32_t>(condition, a, b, y);
    default: return choose<std::uint64_t>(condition, a, b, y);
  }
}

[[maybe_unused]] const bool registered[] = {
    compare_forward.add({.device = kThisDevice, .name = "cuda.packs", .rank = 100, .run = compare}),
    where_forward.add({.device = kThisDevice, .name = "cuda.packs", .rank = 100, .run = where}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
