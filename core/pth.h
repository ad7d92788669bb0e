// .pth: tensors by name as torch.save writes them, in both of its formats: the zip archive of PyTorch 1.6 and newer,
// and the older sequence of pickles (torchvision's own VGG and DenseNet files). The pickle is read as data
// (core/unpickle.h), never run. The weights are the outermost dictionary, or the one that it has as "state_dict",
// "model", "model_state_dict", "model_state" or "net"; entries that are no tensors are left out with a note in the log.
// Every size and offset is checked; what is wrong is Error(data) naming file and tensor. weft does not write .pth.
#pragma once

#include <string>

#include "core/file.h"
#include "core/named_tensor.h"

namespace weft {

// Whether the bytes start as torch.save's do, in either format.
WEFT_API bool recognizes_pth(const ByteSource& source);

// All tensors in the order of the dictionary, on the CPU, contiguous; those that share a storage are copied each.
WEFT_API NamedTensors read_pth(const std::string& path);
WEFT_API NamedTensors read_pth(const ByteSource& source);

}  // namespace weft
