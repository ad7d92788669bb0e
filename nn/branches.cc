#include "nn/branches.h"

#include "core/ops/concat.h"

namespace weft::nn {

std::optional<Shape> Branches::output_shape(const Shape& x) {
  std::optional<Shape> all;
  for (std::size_t i = 0; i < branches_.size(); ++i) {
    const std::optional<Shape> shape = branches_[i].output_shape(x);
    if (!shape || shape->rank() != 4) return std::nullopt;
    const std::int64_t before = all ? (*all)[1] : 0;
    all = shape;
    (*all)[1] += before;
  }
  return all;
}

Tensor Branches::forward_into(const Tensor& x, const Tensor& out) {
  Tensor image = out;
  if (!image.defined() && concat_in_place(x.device()) && x.channels_last())
    if (const std::optional<Shape> shape = known_shape(*this, x.shape())) image = image_for_slices(*shape, x);
  Tensors outputs;
  std::int64_t end = 0;  // of the channels
  for (std::size_t i = 0; i < branches_.size(); ++i) {
    Tensor slice;
    if (image.defined()) {
      const std::int64_t begin = end;
      end += (*branches_[i].output_shape(x.shape()))[1];
      slice = image.slice(1, begin, end);
    }
    outputs.push_back(branches_[i](x, slice));
  }
  return concat(outputs, 1);
}

}  // namespace weft::nn
