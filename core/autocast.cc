#include "core/autocast.h"

#include "core/autograd.h"
#include "core/leaf.h"
#include "core/ops/copy.h"
#include "core/runtime/capture.h"

namespace weft {
namespace {

constinit thread_local std::optional<DType> wanted;
constinit thread_local std::uint64_t owner = 0;  // the backward function that made the scope; 0: none

std::uint64_t running() { return in_backward() ? current_sequence() : 0; }
bool active() { return wanted && owner == running(); }

// The leaf's copy, made anew when the leaf was written since. A recorded step must contain the conversion, and a replay
// writes parameters without raising versions: so a copy holds only within one epoch of recordings.
const Tensor& low_precision(const Tensor& x, DType dtype) {
  Leaf::Converted& kept = x.body()->leaf->converted;
  const std::uint64_t epoch = recording_epoch();
  if (!kept.copy.defined() || kept.copy.dtype() != dtype || kept.source != x.raw() ||
      kept.version != x.storage()->version || kept.epoch != epoch) {
    const NoGrad no_grad;
    kept = {x.detach().to(dtype), x.raw(), x.storage()->version, epoch};
  }
  return kept.copy;
}

Tensor converted(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  const bool parameter = x.body()->leaf && x.body()->leaf->wanted;
  if (!parameter || bytes_of(dtype) >= bytes_of(x.dtype())) return x.to(dtype);
  const Tensor& copy = low_precision(x, dtype);
  return differentiable("autocast", {x}, make_view(copy, copy.layout()),
                        [x = SavedTensor(x)](const Tensor& dy, Needs needs) -> Tensors {
                          const Tensor dx = needs.gradient(0, x.get());
                          copy_forward(dy, dx);
                          return {dx};
                        });
}

bool eligible(const Tensor& x) { return x.defined() && is_floating(x.dtype()) && x.dtype() != DType::f64; }

}  // namespace

Autocast::Autocast(std::optional<DType> dtype) : dtype_(wanted, dtype), owner_(owner, running()) {
  require(!dtype || *dtype == DType::f16 || *dtype == DType::bf16, "autocast", "needs f16 or bf16, got ",
          dtype.value_or(DType::f32));
}

std::optional<DType> autocast_dtype() { return active() ? wanted : std::nullopt; }

Tensor autocast(Policy policy, const Tensor& x) {
  if (!wanted || policy == Policy::follow || !active() || !eligible(x)) [[likely]]
    return x;
  return converted(x, policy == Policy::compute ? *wanted : DType::f32);
}

bool autocast_differ(const Tensor& a, const Tensor& b) {
  return wanted && active() && eligible(a) && eligible(b) && a.dtype() != b.dtype();
}

// f16 and bf16 meet in f32, which holds both.
Tensors autocast_alike(const Tensors& operands) {
  Tensors out = operands;
  bool differ = false;
  for (const Tensor& x : operands) differ = differ || autocast_differ(operands.front(), x);
  for (Tensor& x : out)
    if (differ && eligible(x)) x = converted(x, DType::f32);
  return out;
}

}  // namespace weft
