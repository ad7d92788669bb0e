// Mixed precision: while an Autocast lives, each op computes in the dtype that its policy says, whatever its operands
// are. Parameters stay f32 (so do their gradients and the optimizer's state) and are converted once per update.
#pragma once

#include <optional>

#include "core/scoped.h"
#include "core/tensor.h"

namespace weft {

enum class Policy : std::uint8_t {
  compute,  // the scope's 16-bit type: matrix products and convolutions
  full,     // f32: softmax and losses. Norms need none: their statistics are f32 whatever their operands
  follow,   // whatever comes; of two operands that differ, the wider dtype: elementwise, pooling, concat
};

// Ops of this thread compute with f16 or bf16 while it lives; with nullopt they take their operands as they come.
// Backward functions that run meanwhile are not touched: gradients have the dtypes of what they are gradients of. One
// that computes a forward part again makes a scope of its own. f64 stays f64.
class WEFT_API Autocast {
 public:
  explicit Autocast(std::optional<DType> dtype);

 private:
  Scoped<std::optional<DType>> dtype_;
  Scoped<std::uint64_t> owner_;
};

// The 16-bit type that ops of this thread compute with now.
WEFT_API std::optional<DType> autocast_dtype();

// x as an op of that policy wants it: itself, or converted (differentiable). The copy of a leaf that wants gradients is
// kept until the leaf's storage is written; writes through Tensor::values(), which raise no version, go unnoticed.
WEFT_API Tensor autocast(Policy policy, const Tensor& x);
// Policy::follow: gives several operands one dtype, the widest of theirs. Undefined ones stay so.
WEFT_API Tensors autocast_alike(const Tensors& operands);
// Whether two operands would be given another dtype.
WEFT_API bool autocast_differ(const Tensor& a, const Tensor& b);

}  // namespace weft
