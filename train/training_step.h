// TrainingStep: forward, backward and update of one batch, run op by op or recorded once and replayed. It neither waits
// for the device nor reads results.
#pragma once

#include <optional>

#include "core/runtime/capture.h"
#include "data/loader.h"
#include "nn/auxiliary_head.h"
#include "optim/grad_scaler.h"
#include "optim/optimizer.h"
#include "train/evaluate.h"

namespace weft::train {

struct TrainerOptions;

// What a step leaves on the device.
struct StepResult {
  Tensor loss;           // scalar
  Tensor hits;           // scalar: right answers; undefined for regression
  Tensor gradient_norm;  // scalar, before clipping; undefined without clipping by norm
};

class WEFT_API TrainingStep {
 public:
  // The parts and options outlive it. The learning rate is the optimizer's at each call of run().
  TrainingStep(nn::Module& net, optim::Optimizer& optimizer, const Objective& objective, const TrainerOptions& options);

  // With capture, the first batch runs op by op, the second is recorded, and every later one of the same shape is a
  // replay; batches of other shapes run op by op. Same bits in all cases.
  StepResult run(const data::Batch& batch);
  // Scales the loss, in f16 alone.
  std::optional<optim::GradScaler>& scaler() { return scaler_; }

 private:
  StepResult run_ops(const Tensor& input, const Tensor& target);
  StepResult replay(const data::Batch& batch);

  nn::Module& net_;
  std::vector<nn::AuxiliaryHead*> heads_;
  optim::Optimizer& optimizer_;
  const Objective& objective_;
  const TrainerOptions& options_;
  std::optional<optim::GradScaler> scaler_;
  bool warm_ = false;  // a step has run op by op
  std::optional<CapturedStep> captured_;
  Tensor input_, target_;  // what the recorded step reads
  StepResult recorded_;    // what it writes
};

}  // namespace weft::train
