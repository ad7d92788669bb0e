// Pooling layers: maximum or mean over windows of an image, per channel, without parameters.
#pragma once

#include "core/ops/pool2d.h"
#include "nn/module.h"

namespace weft::nn {

// x (N, C, H, W); padding counts as -inf.
class WEFT_API MaxPool2d final : public Module {
 public:
  explicit MaxPool2d(Pool2dOptions options) : options_(options) {}
  std::string options() const override;
  std::optional<Shape> output_shape(const Shape& x) override;

 protected:
  Tensor forward(const Tensor& x) override { return forward_into(x, {}); }
  Tensor forward_into(const Tensor& x, const Tensor& out) override;

 private:
  Pool2dOptions options_;
};

// x (N, C, H, W); padding counts as zeros that belong to the mean unless count_include_pad is off.
class WEFT_API AvgPool2d final : public Module {
 public:
  explicit AvgPool2d(Pool2dOptions options) : options_(options) {}
  std::string options() const override;
  std::optional<Shape> output_shape(const Shape& x) override;

 protected:
  Tensor forward(const Tensor& x) override { return forward_into(x, {}); }
  Tensor forward_into(const Tensor& x, const Tensor& out) override;

 private:
  Pool2dOptions options_;
};

// (N, C, H, W) -> (N, C, out.h, out.w), whatever H and W: means over bins that cover the image.
class WEFT_API AdaptiveAvgPool2d final : public Module {
 public:
  explicit AdaptiveAvgPool2d(Pair out) : out_(out) {}
  std::string options() const override;

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  Pair out_;
};

// (N, C, H, W) -> (N, C, 1, 1): the mean of each channel.
class WEFT_API GlobalAvgPool2d final : public Module {
 protected:
  Tensor forward(const Tensor& x) override;
};

}  // namespace weft::nn
