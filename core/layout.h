// Layout: how a tensor's logical axes lie in memory. The logical order of images is NCHW always; channels-last is a
// memory format, tagged explicitly and never guessed from strides.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/shape.h"

namespace weft {

// contiguous: row-major and dense. channels_last: rank 4, channels innermost, with a pixel pitch >= C (pitch == C is
// dense; pitch > C is a channel slice of a wider buffer). strided: anything else.
enum class MemoryFormat : std::uint8_t { contiguous, channels_last, strided };

WEFT_API std::string to_string(MemoryFormat format);
WEFT_API MemoryFormat parse_memory_format(std::string_view name);  // "contiguous" or "channels-last" ("channels_last")

// The strides a tagged format means, size-1 axes included. pitch 0 stands for C.
WEFT_API Strides canonical_strides(const Shape& shape, MemoryFormat format, std::int64_t pitch = 0);

// Trivially copyable: a kernel argument.
struct Layout {
  Shape shape;
  Strides strides;          // elements
  std::int64_t offset = 0;  // elements from the start of the storage
  MemoryFormat format = MemoryFormat::contiguous;

  // The pixel pitch of a channels-last layout.
  std::int64_t pitch() const { return strides[3]; }
  // Whether the elements fill one gap-free range of memory in the order the format names.
  bool dense() const {
    return format == MemoryFormat::contiguous || (format == MemoryFormat::channels_last && pitch() == shape[1]);
  }
};

WEFT_API Layout dense_layout(const Shape& shape, MemoryFormat format = MemoryFormat::contiguous);

// The layout of a view: tagged `preferred` or contiguous where its strides are those of the tag (axes of size 1 do
// not count, and their strides are then made canonical), strided otherwise.
WEFT_API Layout view_layout(const Shape& shape, const Strides& strides, std::int64_t offset,
                            MemoryFormat preferred = MemoryFormat::contiguous);

}  // namespace weft
