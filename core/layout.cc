#include "core/layout.h"

namespace weft {
namespace {

// Whether the strides address the same elements as the canonical ones: axes of size 1 are never stepped along.
bool same_addresses(const Shape& shape, const Strides& a, const Strides& b) {
  for (int axis = 0; axis < shape.rank(); ++axis)
    if (shape[axis] > 1 && a[axis] != b[axis]) return false;
  return true;
}

// The pixel pitch that the strides of a rank-4 view imply, from the innermost image axis with more than one element.
std::int64_t implied_pitch(const Shape& shape, const Strides& strides) {
  const std::int64_t channels = shape[1];
  if (shape[3] > 1) return strides[3];
  if (shape[2] > 1) return strides[2] / shape[3];
  if (shape[0] > 1) return strides[0] / (shape[2] * shape[3]);
  return channels;
}

}  // namespace

std::string to_string(MemoryFormat format) {
  constexpr const char* names[] = {"contiguous", "channels-last", "strided"};
  return names[static_cast<int>(format)];
}

MemoryFormat parse_memory_format(std::string_view name) {
  if (name == "contiguous") return MemoryFormat::contiguous;
  if (name == "channels-last" || name == "channels_last") return MemoryFormat::channels_last;
  fail(ErrorKind::usage, "memory format", "'", name, "' is neither contiguous nor channels-last");
}

Strides canonical_strides(const Shape& shape, MemoryFormat format, std::int64_t pitch) {
  Strides strides = shape;
  if (format == MemoryFormat::channels_last) {
    require(shape.rank() == 4, "channels-last", "needs a tensor (N, C, H, W), got ", shape);
    if (pitch == 0) pitch = shape[1];
    return {shape[2] * shape[3] * pitch, 1, shape[3] * pitch, pitch};
  }
  std::int64_t step = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[axis] = step;
    step *= shape[axis] > 0 ? shape[axis] : 1;
  }
  return strides;
}

Layout dense_layout(const Shape& shape, MemoryFormat format) {
  return {shape, canonical_strides(shape, format), 0, format};
}

Layout view_layout(const Shape& shape, const Strides& strides, std::int64_t offset, MemoryFormat preferred) {
  if (shape.elements() == 0) return {shape, canonical_strides(shape, MemoryFormat::contiguous), 0, {}};
  const auto as_channels_last = [&](Layout& out) {
    if (shape.rank() != 4) return false;
    const std::int64_t pitch = implied_pitch(shape, strides);
    if (pitch < shape[1]) return false;
    const Strides canonical = canonical_strides(shape, MemoryFormat::channels_last, pitch);
    if (!same_addresses(shape, strides, canonical)) return false;
    out = {shape, canonical, offset, MemoryFormat::channels_last};
    return true;
  };
  Layout out;
  if (preferred == MemoryFormat::channels_last && as_channels_last(out)) return out;
  const Strides canonical = canonical_strides(shape, MemoryFormat::contiguous);
  if (same_addresses(shape, strides, canonical)) return {shape, canonical, offset, MemoryFormat::contiguous};
  return {shape, strides, offset, MemoryFormat::strided};
}

}  // namespace weft
