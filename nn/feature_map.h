// FeatureMap: what layers hand on where batch norm lives inside of the convolutions: a map, its batch statistics when
// the convolution that wrote it took them, and a batch norm with ReLU that nobody has applied yet, since the next
// convolution may do that while it reads (core/ops/normalized_conv2d.h).
#pragma once

#include <optional>

#include "core/scoped.h"
#include "nn/batch_norm.h"

namespace weft::nn {

struct FeatureMap {
  Tensor x;
  BatchStatistics statistics = {};  // of x; or undefined
  BatchNorm* pending = nullptr;     // stands for (*pending)(x); or null

  // The map itself: what is pending is applied, into `out` where that is defined.
  Tensor tensor(const Tensor& out = {}) const;
};

// Whether convolutions of x take batch norm inside: of f16 operands, x dense, channels-last and not on the CPU. That is
// where cuDNN has engines for it; elsewhere nets compute layer by layer.
WEFT_API bool takes_norm_inside(const Tensor& x);

// While one lives, takes_norm_inside() is always or never true in this thread: for tests, and for plans of devices that
// are not here.
class WEFT_API NormInside {
 public:
  explicit NormInside(bool wanted);

 private:
  Scoped<std::optional<bool>> decided_;
};

// layer.output_shape(x), or nothing where it throws: the layer itself will say why, by its name.
WEFT_API std::optional<Shape> known_shape(Module& layer, const Shape& x);

// An image of that shape for layers whose input is `like` to write slices of: dense, channels-last. Undefined where
// copying is as good or their output may have another dtype.
WEFT_API Tensor image_for_slices(const Shape& shape, const Tensor& like);

}  // namespace weft::nn
