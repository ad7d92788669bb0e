// What a net is trained on and judged by: the objective, and one pass over a data set without gradients.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "core/tensor.h"
#include "data/loader.h"
#include "nn/module.h"

namespace weft::train {

// The mean loss of a batch, as a scalar.
using Loss = std::function<Tensor(const Tensor& y, const Tensor& target)>;

struct Objective {
  Loss loss;                   // minimised
  Loss validation_loss;        // reported for validation data: no label smoothing, no penalties
  bool classification = true;  // outputs are logits (N, classes), targets class indices: accuracies are counted
};

// Cross-entropy, smoothed in training alone.
WEFT_API Objective classification_objective(double label_smoothing = 0);
// Half the squared error, as the lecture notes have it.
WEFT_API Objective regression_objective();

struct Evaluation {
  double loss = 0;                             // mean over the samples
  std::optional<double> top1 = {}, top5 = {};  // fractions
  std::int64_t samples = 0;
};

// Runs the net in evaluation mode over one epoch of the data; its mode is restored. Returns nothing when `stopped` says
// so between two batches.
WEFT_API std::optional<Evaluation> evaluate(nn::Module& net, data::Loader& data, const Objective& objective,
                                            Device device, const std::function<bool()>& stopped = {});

// How many of the samples have their class among the k largest logits (N, classes); ties count for the class.
WEFT_API Tensor count_top(const Tensor& logits, const Tensor& target, int k);

}  // namespace weft::train
