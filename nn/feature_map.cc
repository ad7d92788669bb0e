#include "nn/feature_map.h"

#include "core/autocast.h"
#include "core/ops/concat.h"

namespace weft::nn {
namespace {

constinit thread_local std::optional<bool> decided;

}  // namespace

Tensor FeatureMap::tensor(const Tensor& out) const { return pending ? (*pending)(x, statistics, out) : x; }

bool takes_norm_inside(const Tensor& x) {
  if (decided) return *decided;
  if (x.device().kind == DeviceKind::cpu || !x.channels_last() || !x.layout().dense() || x.dtype() == DType::f64)
    return false;
  return autocast_dtype().value_or(x.dtype()) == DType::f16;
}

std::optional<Shape> known_shape(Module& layer, const Shape& x) {
  try {
    return layer.output_shape(x);
  } catch (const Error&) {
    return std::nullopt;
  }
}

Tensor image_for_slices(const Shape& shape, const Tensor& like) {
  const bool same_dtype = autocast_dtype().value_or(like.dtype()) == like.dtype();
  if (!concat_in_place(like.device()) || !like.channels_last() || !same_dtype) return {};
  return empty(shape, {like.dtype(), like.device(), MemoryFormat::channels_last});
}

NormInside::NormInside(bool wanted) : decided_(decided, wanted) {}

}  // namespace weft::nn
