// NamedTensor: a tensor and the name it has in a file. Modules and optimizers list their state as these; readers and
// writers of files take and give them. The order of a list is the order in the file.
#pragma once

#include <string>
#include <vector>

#include "core/tensor.h"

namespace weft {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};
using NamedTensors = std::vector<NamedTensor>;

}  // namespace weft
