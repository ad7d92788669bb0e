#include "nn/group_norm.h"

namespace weft::nn {

GroupNorm::GroupNorm(GroupNormSpec spec) : spec_(spec) {
  require(spec.features > 0 && spec.groups > 0 && spec.features % spec.groups == 0, "group_norm",
          "groups must divide the features, got ", spec.groups, " and ", spec.features);
  require(spec.eps > 0, "group_norm", "eps must be positive, got ", spec.eps);
  if (!spec.affine) return;
  weight_ = ones({spec.features}).set_requires_grad();
  bias_ = zeros({spec.features}).set_requires_grad();
}

void GroupNorm::members(Visitor& visitor) { visitor("weight", weight_, "bias", bias_); }

std::string GroupNorm::options() const {
  std::string text = message("groups = ", spec_.groups, ", ", spec_.features);
  if (spec_.eps != 1e-5) text += message(", eps = ", spec_.eps);
  if (!spec_.affine) text += ", affine = false";
  return text;
}

Tensor GroupNorm::forward(const Tensor& x) {
  require(x.rank() >= 2 && x.size(1) == spec_.features, "group_norm", "x ", x.shape(), " must be (N, ", spec_.features,
          ", …)");
  return group_norm(x, weight_, bias_, {.groups = spec_.groups, .eps = spec_.eps});
}

}  // namespace weft::nn
