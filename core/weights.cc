#include "core/weights.h"

#include <utility>

#include "core/pth.h"

namespace weft {

NamedTensors read_weights(ByteSource source, Metadata* metadata) {
  if (recognizes_pth(source)) return read_pth(source);
  const SafetensorsFile file(std::move(source));
  if (metadata != nullptr) *metadata = file.metadata();
  NamedTensors tensors;
  for (const SafetensorsFile::Entry& entry : file.entries()) tensors.push_back({entry.name, file.read(entry)});
  return tensors;
}

NamedTensors read_weights(const std::string& path, Metadata* metadata) {
  return read_weights(ByteSource(path), metadata);
}

}  // namespace weft
