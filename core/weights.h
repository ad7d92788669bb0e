// Weights files of any kind that weft reads: safetensors and PyTorch's .pth, told apart by their first bytes, never by
// their names.
#pragma once

#include <string>

#include "core/file.h"
#include "core/named_tensor.h"
#include "core/safetensors.h"

namespace weft {

// All tensors of the file, on the CPU, contiguous. A file of neither kind is Error(data).
// metadata: takes that of a safetensors file.
WEFT_API NamedTensors read_weights(const std::string& path, Metadata* metadata = nullptr);
WEFT_API NamedTensors read_weights(ByteSource source, Metadata* metadata = nullptr);

}  // namespace weft
