#include "kernels/cudnn/convolution.h"

#include "core/numerics.h"
#include "kernels/convolution_sizes.h"

namespace weft::cudnn {

Convolution convolution(Direction direction, DType dtype, MemoryFormat format, const Shape& x, const Shape& weight,
                        const Conv2dOptions& options, bool bias, bool relu) {
  const ConvolutionSizes sizes = convolution_sizes(x, weight, options);
  const Numerics allowed = numerics();
  return {.n = sizes.n,
          .c = sizes.c,
          .h = sizes.h,
          .w = sizes.w,
          .k = sizes.k,
          .r = sizes.r,
          .s = sizes.s,
          .p = sizes.p,
          .q = sizes.q,
          .workspace_limit = allowed.workspace_limit,
          .stride_h = options.stride.h,
          .stride_w = options.stride.w,
          .padding_h = options.padding.h,
          .padding_w = options.padding.w,
          .dilation_h = options.dilation.h,
          .dilation_w = options.dilation.w,
          .groups = options.groups,
          .direction = direction,
          .dtype = dtype,
          .format = format,
          .bias = bias,
          .relu = relu,
          .tf32 = dtype == DType::f32 && allowed.tf32,
          .nondeterministic = allowed.nondeterministic};
}

std::size_t ConvolutionHash::operator()(const Convolution& v) const {
  const std::int64_t flags =
      v.bias | v.relu << 1 | v.tf32 << 2 | v.nondeterministic << 3 | v.normalized << 4 | v.statistics << 5;
  const std::int64_t kind =
      static_cast<int>(v.direction) | static_cast<int>(v.dtype) << 4 | static_cast<int>(v.format) << 8;
  std::size_t hash = 0;
  for (const std::int64_t field :
       {v.n, v.c, v.h, v.w, v.k, v.r, v.s, v.p, v.q, v.x_pitch, v.y_pitch, v.workspace_limit})
    hash = (hash ^ static_cast<std::size_t>(field)) * 0x9e3779b97f4a7c15u;
  for (const int field : {v.stride_h, v.stride_w, v.padding_h, v.padding_w, v.dilation_h, v.dilation_w, v.groups})
    hash = (hash ^ static_cast<std::size_t>(field)) * 0x9e3779b97f4a7c15u;
  return (hash ^ static_cast<std::size_t>(flags << 32 | kind)) * 0x9e3779b97f4a7c15u ^ hash >> 29;
}

std::string slot_of(Direction direction) {
  switch (direction) {
    case Direction::forward: return "conv2d_forward";
    case Direction::backward_data: return "conv2d_backward_data";
    case Direction::backward_weight: return "conv2d_backward_weight";
  }
  return {};
}
std::string slot_of(const Convolution& v) {
  if (v.normalized) return "normalized_" + slot_of(v.direction);
  return v.statistics ? "conv2d_statistics_forward" : slot_of(v.direction);
}

namespace {
std::string pitch(const char* name, std::int64_t elements) {
  return elements > 0 ? message(" ", name, " pitch ", elements) : "";
}
}  // namespace

std::string to_string(const Convolution& v) {
  return message(slot_of(v), " ", v.dtype, " ", v.format, " x ", Shape{v.n, v.c, v.h, v.w}, " weight ",
                 Shape{v.k, v.c / v.groups, v.r, v.s}, " y ", Shape{v.n, v.k, v.p, v.q}, " stride ",
                 Pair(v.stride_h, v.stride_w), " padding ", Pair(v.padding_h, v.padding_w), " dilation ",
                 Pair(v.dilation_h, v.dilation_w), " groups ", v.groups, pitch("x", v.x_pitch), pitch("y", v.y_pitch),
                 v.bias ? " bias" : "", v.relu ? " relu" : "", v.normalized && v.statistics ? " statistics" : "",
                 v.tf32 ? " tf32" : "", v.nondeterministic ? " nondeterministic" : "", " workspace ", v.workspace_limit,
                 " graph ", v.graph);
}

std::string refusal(const Convolution& v) {
  if (!is_floating(v.dtype)) return message("x is ", v.dtype);
  if (v.format == MemoryFormat::strided) return "an image is neither contiguous nor channels-last";
  if (v.n == 0 || v.c == 0 || v.k == 0) return "an image is empty";
  if (!v.normalized && !v.statistics) return "";
  if (v.dtype != DType::f16) return message("batch norm inside a convolution takes f16, not ", v.dtype);
  if (v.format != MemoryFormat::channels_last) return "batch norm inside a convolution takes channels-last images";
  return "";
}

}  // namespace weft::cudnn
