#include "nn/layer_norm.h"

namespace weft::nn {

LayerNorm::LayerNorm(LayerNormSpec spec) : spec_(spec) {
  require(spec.shape.rank() >= 1 && spec.shape.elements() > 0, "layer_norm", "the shape of a row must be given, got ",
          spec.shape);
  require(spec.eps > 0, "layer_norm", "eps must be positive, got ", spec.eps);
  if (!spec.affine) return;
  weight_ = ones(spec.shape).set_requires_grad();
  bias_ = zeros(spec.shape).set_requires_grad();
}

void LayerNorm::members(Visitor& visitor) { visitor("weight", weight_, "bias", bias_); }

std::string LayerNorm::options() const {
  std::string text = message(spec_.shape);
  if (spec_.eps != 1e-5) text += message(", eps = ", spec_.eps);
  if (!spec_.affine) text += ", affine = false";
  return text;
}

Tensor LayerNorm::forward(const Tensor& x) {
  const int axes = spec_.shape.rank();
  bool fits = x.rank() >= axes;
  for (int axis = 1; fits && axis <= axes; ++axis) fits = x.size(-axis) == spec_.shape[axes - axis];
  require(fits, "layer_norm", "x ", x.shape(), " must end in ", spec_.shape);
  return layer_norm(x, weight_, bias_, {.axes = axes, .eps = spec_.eps});
}

}  // namespace weft::nn
