// BatchNorm: batch normalisation as a layer, for features (N, C) and images (N, C, H, W): in training by the statistics
// of the batch, in evaluation by the running ones, which it keeps as buffers under PyTorch's names.
#pragma once

#include "core/ops/normalized_conv2d.h"
#include "nn/module.h"

namespace weft::nn {

struct BatchNormSpec {
  std::int64_t features = 0;  // C
  double momentum = 0.1;      // of the running statistics: the new batch's share
  double eps = 1e-5;
  MovingVariance moving = MovingVariance::unbiased;
  bool relu = false;  // max(y, 0) in the same pass
};

// weight starts at 1, bias at 0, running_mean at 0, running_var at 1, num_batches_tracked (i64, counted on its device
// and never read here; a weights file may lack it) at 0.
class WEFT_API BatchNorm final : public Module {
 public:
  explicit BatchNorm(BatchNormSpec spec);
  void members(Visitor& visitor) override;
  std::string options() const override;

  // relu(batch norm of x + shortcut) in one pass, as a call of this layer.
  Tensor add_relu(const Tensor& x, const Tensor& shortcut, const BatchStatistics& known = {});
  // The layer's output for an x whose batch_statistics(x) are known; in evaluation they are not looked at.
  Tensor operator()(const Tensor& x, const BatchStatistics& known, const Tensor& out = {});
  using Module::operator();
  std::optional<Shape> output_shape(const Shape& x) override { return x; }

  // For a convolution that does this layer's work, ReLU included, while it reads an x of these statistics.
  BatchNormRelu arguments(const BatchStatistics& known) const { return {weight_, bias_, running_, mode(), known}; }

  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }
  const RunningStatistics& running() const { return running_; }
  const BatchNormSpec& spec() const { return spec_; }

 protected:
  Tensor forward(const Tensor& x) override { return forward_into(x, {}); }
  Tensor forward_into(const Tensor& x, const Tensor& out) override { return run(x, {}, out); }

 private:
  Tensor run(const Tensor& x, const BatchStatistics& known, const Tensor& out);
  BatchNormOptions mode() const;

  BatchNormSpec spec_;
  Tensor weight_, bias_;
  RunningStatistics running_;
};

}  // namespace weft::nn
