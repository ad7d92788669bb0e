#include "core/ops/group_norm.h"

#include "core/ops/layer_norm.h"

namespace weft {

Tensor group_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, GroupNormOptions options) {
  require(x.defined() && is_floating(x.dtype()), "group_norm", "x must be of a floating dtype");
  require(x.rank() >= 2, "group_norm", "x must be (N, C, …), not ", x.shape());
  const std::int64_t channels = x.size(1), groups = options.groups;
  require(groups >= 1 && channels % groups == 0, "group_norm", "groups = ", groups, " must divide the ", channels,
          " channels of x ", x.shape());
  for (const Tensor* v : {&weight, &bias})
    require(!v->defined() || v->shape() == Shape{channels}, "group_norm", v == &weight ? "weight" : "bias", " must be ",
            Shape{channels}, " for x ", x.shape(), ", not ", v->defined() ? v->shape() : Shape{});
  std::int64_t pixels = 1;
  for (int axis = 2; axis < x.rank(); ++axis) pixels *= x.size(axis);
  const std::int64_t rows = x.size(0) * groups, columns = channels / groups * pixels;
  const RowNorm norm = {.groups = groups, .span = pixels, .eps = options.eps};
  const Tensor y = normalize_rows("group_norm", x.contiguous().reshape({rows, columns}), weight, bias, norm);
  return x.channels_last() ? y.reshape(x.shape()).to(MemoryFormat::channels_last) : y.reshape(x.shape());
}

}  // namespace weft
