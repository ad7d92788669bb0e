// Convolution: all that decides which of cuDNN's plans runs, as a plain value. Equal ones share a plan, in memory and
// on disk. Knows neither cuDNN nor CUDA.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/dtype.h"
#include "core/layout.h"

namespace weft {
struct Conv2dOptions;
}

namespace weft::cudnn {

enum class Direction : std::uint8_t { forward, backward_data, backward_weight };

// x (n, c, h, w), weight (k, c / groups, r, s), y (n, k, p, q), of one dtype and memory format, dense but for the pitch
// of channels-last pixels.
struct Convolution {
  std::int64_t n = 0, c = 0, h = 0, w = 0, k = 0, r = 0, s = 0, p = 0, q = 0;
  std::int64_t x_pitch = 0, y_pitch = 0;  // elements from pixel to pixel where there are more than channels; else 0
  std::int64_t workspace_limit = 0;       // bytes
  std::int32_t stride_h = 1, stride_w = 1, padding_h = 0, padding_w = 0, dilation_h = 1, dilation_w = 1, groups = 1;
  Direction direction = Direction::forward;
  DType dtype = DType::f32;
  MemoryFormat format = MemoryFormat::channels_last;
  bool bias = false;  // forward only: y = conv(x, weight) + bias
  bool relu = false;  // forward only: y = max(that, 0)
  // The images that the filter reads are relu(x * scale + shift) per channel; for the data gradient: of these, dz, the
  // gradient at what the ReLU takes, and the sums that batch norm's weight and bias get.
  bool normalized = false;
  bool statistics = false;        // forward only: the sums of y and of its squares per channel as well
  bool tf32 = false;              // f32 may be rounded to 10 bits of mantissa in tensor cores
  bool nondeterministic = false;  // sums may be taken in another order each time
  int graph = 1;                  // raised whenever the graph built for equal other fields changes
  friend bool operator==(const Convolution&, const Convolution&) = default;
};

struct ConvolutionHash {
  std::size_t operator()(const Convolution& convolution) const;
};

// The convolution with these operands; throws what conv2d would throw. The switches (tf32 …) are those of the process.
Convolution convolution(Direction direction, DType dtype, MemoryFormat format, const Shape& x, const Shape& weight,
                        const Conv2dOptions& options, bool bias = false, bool relu = false);

// "conv2d_forward"
std::string slot_of(Direction direction);
// The same, or "normalized_conv2d_forward" and its like.
std::string slot_of(const Convolution& convolution);
// "conv2d_forward bf16 channels_last x (256, 64, 56, 56) weight …": every field, so that the text is a key too.
std::string to_string(const Convolution& convolution);

// Whether cuDNN can be asked at all: empty, or why not. Says nothing of engines.
std::string refusal(const Convolution& convolution);

}  // namespace weft::cudnn
