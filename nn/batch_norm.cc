#include "nn/batch_norm.h"

namespace weft::nn {

BatchNorm::BatchNorm(BatchNormSpec spec) : spec_(spec), weight_(ones({spec.features})), bias_(zeros({spec.features})) {
  require(spec.features > 0, "batch_norm", "features must be positive, got ", spec.features);
  require(spec.momentum >= 0 && spec.momentum <= 1, "batch_norm", "momentum must lie in [0, 1], got ", spec.momentum);
  require(spec.eps > 0, "batch_norm", "eps must be positive, got ", spec.eps);
  running_ = {zeros({spec.features}), ones({spec.features}), zeros({}, {.dtype = DType::i64})};
  weight_.set_requires_grad();
  bias_.set_requires_grad();
}

void BatchNorm::members(Visitor& visitor) {
  visitor("weight", weight_, "bias", bias_, "running_mean", buffer(running_.mean), "running_var",
          buffer(running_.variance), "num_batches_tracked", optional_buffer(running_.batches));
}

std::string BatchNorm::options() const {
  std::string text = message(spec_.features);
  if (spec_.momentum != 0.1) text += message(", momentum = ", spec_.momentum);
  if (spec_.eps != 1e-5) text += message(", eps = ", spec_.eps);
  if (spec_.moving == MovingVariance::biased) text += ", moving = biased";
  if (spec_.relu) text += ", relu = true";
  return text;
}

BatchNormOptions BatchNorm::mode() const {
  return {.training = training(), .momentum = spec_.momentum, .eps = spec_.eps, .moving = spec_.moving};
}

Tensor BatchNorm::run(const Tensor& x, const BatchStatistics& known, const Tensor& out) {
  return spec_.relu ? batch_norm_relu(x, weight_, bias_, running_, mode(), known, out)
                    : batch_norm(x, weight_, bias_, running_, mode(), known, out);
}

Tensor BatchNorm::add_relu(const Tensor& x, const Tensor& shortcut, const BatchStatistics& known) {
  return call(x, [&] { return batch_norm_add_relu(x, shortcut, weight_, bias_, running_, mode(), known); });
}

Tensor BatchNorm::operator()(const Tensor& x, const BatchStatistics& known, const Tensor& out) {
  return call(x, [&] { return run(x, known, out); });
}

}  // namespace weft::nn
