#include "train/evaluate.h"

#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "core/ops/index.h"
#include "core/ops/loss.h"
#include "core/ops/reduce.h"

namespace weft::train {
namespace {

constexpr int kTop5 = 5;

}  // namespace

Objective classification_objective(double label_smoothing) {
  return {.loss = [label_smoothing](
                      const Tensor& y,
                      const Tensor& target) { return cross_entropy(y, target, {.label_smoothing = label_smoothing}); },
          .validation_loss = [](const Tensor& y, const Tensor& target) { return cross_entropy(y, target); },
          .classification = true};
}

Objective regression_objective() {
  const auto loss = [](const Tensor& y, const Tensor& target) { return squared_loss(y, target); };
  return {.loss = loss, .validation_loss = loss, .classification = false};
}

Tensor count_top(const Tensor& logits, const Tensor& target, int k) {
  const NoGrad no_grad;
  if (k == 1) return sum(equal(argmax(logits, 1), target).to(DType::f32));
  const Tensor own = gather(logits, 1, target.unsqueeze(1));            // (N, 1)
  const Tensor larger = sum(greater(logits, own).to(DType::f32), {1});  // (N)
  return sum(less(larger, static_cast<double>(k)).to(DType::f32));
}

std::optional<Evaluation> evaluate(nn::Module& net, data::Loader& data, const Objective& objective, Device device,
                                   const std::function<bool()>& stopped) {
  const NoGrad no_grad;
  const nn::EvaluationMode mode(net);
  data.seek({});
  Evaluation result;
  double loss_sum = 0, top1 = 0, top5 = 0;
  while (const std::optional<data::Batch> batch = data.next()) {
    const Tensor target = batch->target.to(device);
    const Tensor y = net(batch->input.to(device));
    loss_sum += objective.validation_loss(y, target).item() * static_cast<double>(batch->size());
    if (objective.classification) {
      top1 += count_top(y, target, 1).item();
      top5 += count_top(y, target, kTop5).item();
    }
    result.samples += batch->size();
    if (stopped && stopped()) return std::nullopt;
  }
  const double samples = static_cast<double>(result.samples);
  result.loss = loss_sum / samples;
  if (objective.classification) result.top1 = top1 / samples, result.top5 = top5 / samples;
  return result;
}

}  // namespace weft::train
