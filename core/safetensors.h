// safetensors: tensors by name in one file (https://github.com/huggingface/safetensors#format): 8 bytes of header
// length, a JSON header, then the data, row-major whatever the memory format. The same tensors give the same bytes.
// Reading is strict: holes, overlaps, duplicate names, sizes that do not fit, unknown dtypes, bytes left over are all
// Error(data) naming the file and the tensor.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/named_tensor.h"

namespace weft {

using Metadata = std::map<std::string, std::string>;

// Writes the file whole or not at all. Tensors stand in the given order, those of wider dtypes first so that each is
// aligned to its dtype. Names must be different and UTF-8.
WEFT_API void write_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata = {});

// A file opened for reading: the header is read and checked, tensors come when asked for.
class WEFT_API SafetensorsFile {
 public:
  struct Entry {
    std::string name;
    DType dtype = DType::f32;
    Shape shape;
    std::uint64_t offset = 0;  // of the data in the file
    std::uint64_t bytes = 0;
  };

  explicit SafetensorsFile(const std::string& path) : SafetensorsFile(ByteSource(path)) {}
  explicit SafetensorsFile(ByteSource source);

  const std::string& name() const { return source_.name(); }
  const std::vector<Entry>& entries() const { return entries_; }  // in the order of the data
  const Metadata& metadata() const { return metadata_; }
  const Entry* find(std::string_view name) const;  // null when there is none
  Tensor read(const Entry& entry) const;           // on the CPU, contiguous

 private:
  ByteSource source_;
  std::vector<Entry> entries_;
  Metadata metadata_;
};

WEFT_API NamedTensors read_safetensors(const std::string& path);  // all, in the order of the data

}  // namespace weft
