#include "core/ops/loss.h"

#include "core/autocast.h"
#include "core/autograd.h"

namespace weft {
namespace {

Cost cross_entropy_forward_cost(const Tensor& logits, const Tensor& target, CrossEntropyOptions, const Tensor&,
                                const Tensor&) {
  return {0, 4.0 * static_cast<double>(logits.elements()), static_cast<double>(logits.bytes() + target.bytes())};
}
Cost cross_entropy_backward_cost(const Tensor& logits, const Tensor& target, const Tensor&, CrossEntropyOptions,
                                 const Tensor&, const Tensor&) {
  return {0, 4.0 * static_cast<double>(logits.elements()), static_cast<double>(2 * logits.bytes() + target.bytes())};
}
Cost element_forward_cost(const Tensor& x, const Tensor&, ElementLoss, const Tensor&) {
  return {0, 3.0 * static_cast<double>(x.elements()), static_cast<double>(2 * x.bytes())};
}
Cost element_backward_cost(const Tensor& x, const Tensor&, ElementLoss, const Tensor&, const Tensor&, const Tensor&) {
  return {0, 3.0 * static_cast<double>(x.elements()), static_cast<double>(3 * x.bytes())};
}

void check_cross_entropy(const Tensor& logits, const Tensor& target, bool indices, double smoothing) {
  const char* op = "cross_entropy";
  require(logits.rank() >= 2 && logits.size(1) >= 1, op, "logits must be (N, K) or (N, K, …), not ", logits.shape());
  require(is_floating(logits.dtype()), op, "logits must be of a floating dtype, not ", logits.dtype());
  Shape wanted = logits.shape();
  if (indices) wanted.erase(1);
  require(target.shape() == wanted, op, "logits ", logits.shape(), " need ", indices ? "class indices " : "targets ",
          wanted, ", got ", target.shape());
  require(indices || target.dtype() == logits.dtype(), op, "logits are ", logits.dtype(), " and target ",
          target.dtype(), "; convert one with .to(dtype)");
  require(!target.requires_grad(), op, "target must not want a gradient; detach it");
  require(smoothing >= 0 && smoothing <= 1, op, "label_smoothing must lie in [0, 1], got ", smoothing);
}

// (N, K, …) as (N * …, K), class axis last.
Tensor classes_last(const Tensor& x) {
  if (x.rank() == 2) return x;
  int axes[kMaxRank] = {0};
  for (int axis = 2; axis < x.rank(); ++axis) axes[axis - 1] = axis;
  axes[x.rank() - 1] = 1;
  const std::int64_t classes = x.size(1);
  return x.permute(std::span<const int>(axes, static_cast<std::size_t>(x.rank())))
      .contiguous()
      .reshape({x.elements() / classes, classes});
}

Tensor element_loss(const char* op, const Tensor& x_given, const Tensor& target_given, ElementLoss kind) {
  const Tensor x_in = autocast(Policy::full, x_given), target_in = autocast(Policy::full, target_given);
  require(x_in.shape() == target_in.shape(), op, "x ", x_in.shape(), " and target ", target_in.shape(),
          " must have one shape; reshape one");
  require(x_in.dtype() == target_in.dtype() && is_floating(x_in.dtype()), op,
          "x and target must have one floating dtype, got ", x_in.dtype(), " and ", target_in.dtype(),
          "; convert one with .to(dtype)");
  const bool alike = x_in.layout().dense() && x_in.format() == target_in.format() && target_in.layout().dense();
  const Tensor x = alike ? x_in : x_in.contiguous();
  const Tensor target = alike ? target_in : target_in.contiguous();
  Tensor loss = kind.reduction == Reduction::none ? empty_like(x) : empty({}, {x.dtype(), x.device()});
  element_loss_forward(x, target, kind, loss);
  return differentiable(
      op, {x, target}, loss,
      [x = SavedTensor(x), target = SavedTensor(target), kind](const Tensor& dloss_in, Needs needs) -> Tensors {
        const Tensor dloss =
            dloss_in.to(kind.reduction == Reduction::none ? x.get().format() : MemoryFormat::contiguous);
        const Tensor dx = needs[0] ? empty_like(x.get()) : Tensor();
        const Tensor dtarget = needs[1] ? empty_like(target.get()) : Tensor();
        element_loss_backward(x.get(), target.get(), kind, dloss, dx, dtarget);
        return {dx, dtarget};
      });
}

}  // namespace

constinit KernelSlot<void(const Tensor&, const Tensor&, CrossEntropyOptions, const Tensor&, const Tensor&)>
    cross_entropy_forward{"cross_entropy_forward", cross_entropy_forward_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, const Tensor&, CrossEntropyOptions, const Tensor&,
                          const Tensor&)>
    cross_entropy_backward{"cross_entropy_backward", cross_entropy_backward_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, ElementLoss, const Tensor&)> element_loss_forward{
    "element_loss_forward", element_forward_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, ElementLoss, const Tensor&, const Tensor&, const Tensor&)>
    element_loss_backward{"element_loss_backward", element_backward_cost};

Tensor cross_entropy(const Tensor& logits_given, const Tensor& target_given, CrossEntropyOptions options) {
  const Tensor logits_in = autocast(Policy::full, logits_given), target_in = autocast(Policy::full, target_given);
  const bool indices = !is_floating(target_in.dtype());
  check_cross_entropy(logits_in, target_in, indices, options.label_smoothing);
  if (logits_in.rank() > 2) {
    const Tensor rows = indices ? target_in.contiguous().reshape({target_in.elements()}) : classes_last(target_in);
    const Tensor loss = cross_entropy(classes_last(logits_in), rows, options);
    if (options.reduction != Reduction::none) return loss;
    Shape shape = logits_in.shape();
    shape.erase(1);
    return loss.reshape(shape);
  }
  const Tensor logits = logits_in.contiguous(), target = target_in.contiguous();  // (N, K), (N) or (N, K)
  const TensorOptions statistics = {logits.dtype() == DType::f64 ? DType::f64 : DType::f32, logits.device()};
  const Tensor normalizer = empty({logits.size(0), 2}, statistics);
  const Shape shape = options.reduction == Reduction::none ? Shape{logits.size(0)} : Shape{};
  Tensor loss = empty(shape, {logits.dtype(), logits.device()});
  cross_entropy_forward(logits, target, options, loss, normalizer);
  return differentiable("cross_entropy", {logits}, loss,
                        [logits = SavedTensor(logits), target = SavedTensor(target), normalizer, options](
                            const Tensor& dloss, Needs) -> Tensors {
                          Tensor dlogits = empty_like(logits.get());
                          cross_entropy_backward(logits.get(), target.get(), normalizer, options, dloss.contiguous(),
                                                 dlogits);
                          return {dlogits};
                        });
}

Tensor squared_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  return element_loss("squared_loss", x, target, {.kind = LossKind::squared, .reduction = reduction});
}
Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  return element_loss("mse_loss", x, target, {.kind = LossKind::mse, .reduction = reduction});
}
Tensor l1_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  return element_loss("l1_loss", x, target, {.kind = LossKind::l1, .reduction = reduction});
}
Tensor huber_loss(const Tensor& x, const Tensor& target, double delta, Reduction reduction) {
  require(delta > 0, "huber_loss", "delta must be positive, got ", delta);
  return element_loss("huber_loss", x, target, {.kind = LossKind::huber, .delta = delta, .reduction = reduction});
}
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target, Reduction reduction) {
  return element_loss("binary_cross_entropy_with_logits", x, target,
                      {.kind = LossKind::binary_cross_entropy, .reduction = reduction});
}

}  // namespace weft
