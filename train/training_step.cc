#include "train/training_step.h"

#include "core/autocast.h"
#include "core/autograd.h"
#include "core/ops/copy.h"
#include "core/profile.h"
#include "train/trainer.h"

namespace weft::train {
namespace {

Tensor kept(const Tensor& x) { return x.defined() ? x.clone() : x; }

bool alike(const Tensor& a, const Tensor& b) { return a.shape() == b.shape() && a.dtype() == b.dtype(); }

}  // namespace

TrainingStep::TrainingStep(nn::Module& net, optim::Optimizer& optimizer, const Objective& objective,
                           const TrainerOptions& options)
    : net_(net), heads_(nn::auxiliary_heads(net)), optimizer_(optimizer), objective_(objective), options_(options) {
  if (options.amp == DType::f16) scaler_.emplace(options.device);
  if (options.capture) captured_.emplace(options.device);
}

StepResult TrainingStep::run(const data::Batch& batch) {
  optimizer_.advance();
  if (captured_ && warm_ && (!captured_->recorded() || (alike(batch.input, input_) && alike(batch.target, target_))))
    return replay(batch);
  warm_ = true;
  return run_ops(batch.input.to(options_.device), batch.target.to(options_.device));
}

StepResult TrainingStep::run_ops(const Tensor& input, const Tensor& target) {
  StepResult result;
  Tensor y, loss;
  {
    const ProfileRange range(Phase::forward, "forward");
    const Autocast autocast(options_.amp);
    y = net_(input);
    loss = nn::loss_with_heads(heads_, y, [&](const Tensor& logits) { return objective_.loss(logits, target); });
  }
  optimizer_.zero_grad();
  (scaler_ ? scaler_->scale(loss) : loss).backward();
  const ProfileRange range(Phase::optim, "optim");
  if (scaler_) scaler_->unscale(optimizer_);
  if (options_.clip_norm > 0) result.gradient_norm = optimizer_.clip_gradient_norm(options_.clip_norm);
  if (options_.clip_value > 0) optimizer_.clip_gradient_value(options_.clip_value);
  scaler_ ? scaler_->apply(optimizer_) : optimizer_.apply();
  result.loss = loss.detach();
  if (objective_.classification) result.hits = count_top(y, target, 1);
  return result;
}

StepResult TrainingStep::replay(const data::Batch& batch) {
  if (!captured_->recorded()) {
    input_ = batch.input.to(options_.device);
    target_ = batch.target.to(options_.device);
    captured_->record([this] { recorded_ = run_ops(input_, target_); });
  } else {
    copy_(input_, batch.input);
    copy_(target_, batch.target);
  }
  captured_->replay();
  const NoGrad no_grad;
  return {kept(recorded_.loss), kept(recorded_.hits), kept(recorded_.gradient_norm)};
}

}  // namespace weft::train
