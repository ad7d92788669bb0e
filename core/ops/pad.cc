#include "core/ops/pad.h"

#include "core/autograd.h"
#include "core/ops/copy.h"

namespace weft {
namespace {

// The part of y that x lies in.
Tensor inside(const Tensor& y, std::span<const Border> borders, const Shape& x) {
  Tensor part = y;
  const int first = x.rank() - static_cast<int>(borders.size());
  for (std::size_t i = 0; i < borders.size(); ++i) {
    const int axis = first + static_cast<int>(i);
    part = part.slice(axis, borders[i].before, borders[i].before + x[axis]);
  }
  return part;
}

}  // namespace

Tensor pad(const Tensor& x, std::span<const Border> borders, double value) {
  require(static_cast<int>(borders.size()) <= x.rank(), "pad", "x ", x.shape(), " has no axes for ", borders.size(),
          " borders");
  Shape shape = x.shape();
  for (std::size_t i = 0; i < borders.size(); ++i) {
    const Border& b = borders[i];
    require(b.before >= 0 && b.after >= 0, "pad", "borders must not be negative, got ", b.before, " and ", b.after,
            "; use slice to cut");
    shape[x.rank() - static_cast<int>(borders.size() - i)] += b.before + b.after;
  }
  Tensor y = empty(shape, {x.dtype(), x.device(), x.channels_last() ? x.format() : MemoryFormat::contiguous});
  if (shape != x.shape()) fill_forward(value, y);
  if (x.elements() > 0) copy_forward(x, inside(y, borders, x.shape()));
  return differentiable("pad", {x}, y,
                        [kept = std::vector(borders.begin(), borders.end()), like = x.shape()](
                            const Tensor& dy, Needs) -> Tensors { return {inside(dy, kept, like)}; });
}

}  // namespace weft
