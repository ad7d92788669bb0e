// DenseNet (Huang, Liu, van der Maaten and Weinberger 2016): within a block every layer sees the feature maps of all
// layers before it.
#pragma once

#include <vector>

#include "models/registry.h"
#include "nn/batch_norm.h"
#include "nn/sequential.h"

namespace weft::models {

// norm1 with ReLU, then the rest, whose layers have the layer's own names.
class WEFT_API DenseLayer final : public nn::Module {
 public:
  DenseLayer(std::int64_t in, nn::Sequential rest) : norm1_({.features = in, .relu = true}), rest_(std::move(rest)) {}
  void members(nn::Visitor& visitor) override { visitor("norm1", norm1_, "", rest_); }
  // As a call of this layer, for an x whose batch statistics are known; with those of the output where they are wanted
  // and the last convolution takes them. Writes to `out` where that is defined.
  nn::FeatureMap carry(const Tensor& x, const BatchStatistics& known, bool statistics, const Tensor& out);

 protected:
  Tensor forward(const Tensor& x) override { return rest_(norm1_(x)); }

 private:
  nn::BatchNorm norm1_;
  nn::Sequential rest_;
};

struct DenseSpec {
  int layers = 4;
  std::int64_t in = 64, growth = 32;  // channels: the input's, and what each layer adds
  std::int64_t bottleneck = 0;        // times growth: the width of a 1 x 1 convolution before the 3 x 3; 0: none
  bool bias = false;                  // of the convolutions
};

// x (N, in, H, W) -> (N, in + layers * growth, H, W). In training the statistics of each feature map are computed once,
// for all the layers that normalise it. On devices all maps lie in one wide image, where the layer before left x in the
// room it was given; not so where batch norm lives inside the convolutions, whose engines want dense images.
class WEFT_API DenseBlock final : public nn::Module {
 public:
  explicit DenseBlock(const DenseSpec& spec);
  void members(nn::Visitor& visitor) override;
  std::optional<Shape> output_shape(const Shape& x) override;
  Tensor room_for_input(const Shape& shape, const Tensor& like) override;

 protected:
  Tensor forward(const Tensor& x) override;

 private:
  std::vector<DenseLayer> layers_;
  std::int64_t growth_;
  Tensor room_;  // the wide image, between room_for_input() and the call
};

// Batch norm, ReLU, a 1 x 1 convolution and average pooling: (N, in, H, W) -> (N, out, H/2, W/2).
WEFT_API nn::Sequential transition(std::int64_t in, std::int64_t out, bool bias = false);

}  // namespace weft::models
