#include "core/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

namespace weft {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "files are little-endian, read and written as memory");

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kLargestHeader = 100'000'000;
constexpr const char* kMetadataKey = "__metadata__";

constexpr std::array<std::pair<const char*, DType>, kDTypes> kDTypeNames = {{{"F32", DType::f32},
                                                                             {"F64", DType::f64},
                                                                             {"F16", DType::f16},
                                                                             {"BF16", DType::bf16},
                                                                             {"I32", DType::i32},
                                                                             {"I64", DType::i64},
                                                                             {"U8", DType::u8},
                                                                             {"BOOL", DType::boolean}}};

const char* file_dtype(DType dtype) {
  for (const auto& [name, value] : kDTypeNames) {
    if (value == dtype) return name;
  }
  throw_internal("a dtype without a safetensors name");
}

std::optional<DType> dtype_from_file(const std::string& name) {
  for (const auto& [known, value] : kDTypeNames) {
    if (name == known) return value;
  }
  return std::nullopt;
}

std::string quoted(const std::string& text) {
  try {
    return json(text).dump();
  } catch (const json::exception&) {
    fail(ErrorKind::usage, "safetensors", "names and metadata must be UTF-8, '", text, "' is not");
  }
}

std::string header_of(const NamedTensors& tensors, const Metadata& metadata) {
  std::string header = "{";
  if (!metadata.empty()) {
    header += quoted(kMetadataKey) + ":{";
    for (const auto& [key, value] : metadata) header += quoted(key) + ":" + quoted(value) + ",";
    header.back() = '}';
    header += ',';
  }
  std::size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    header += message(quoted(name), R"(:{"dtype":")", file_dtype(tensor.dtype()), R"(","shape":[)");
    for (int axis = 0; axis < tensor.rank(); ++axis) header += message(axis > 0 ? "," : "", tensor.size(axis));
    header += message(R"(],"data_offsets":[)", offset, ",", offset + tensor.bytes(), "]},");
    offset += tensor.bytes();
  }
  if (header.back() == ',') header.pop_back();
  header += '}';
  header.append((kLengthBytes - header.size() % kLengthBytes) % kLengthBytes, ' ');  // aligns the data
  return header;
}

void check_names(const NamedTensors& tensors, const std::string& path) {
  std::set<std::string_view> seen;
  for (const auto& [name, tensor] : tensors) {
    require(tensor.defined(), path, "tensor '", name, "' is undefined");
    require(name != kMetadataKey, path, "the name ", kMetadataKey, " is the format's own");
    require(seen.insert(name).second, path, "two tensors have the name '", name, "'");
  }
}

// Parses the header, refusing what JSON allows and the format does not: deep nesting and duplicate keys.
json parse_header(const std::string& text, const std::string& file) {
  constexpr int kDeepest = 3;  // header, tensor, list
  std::vector<std::set<std::string>> keys;
  const auto check = [&](int depth, json::parse_event_t event, json& value) {
    require_data(depth < kDeepest || event == json::parse_event_t::value, file,
                 "the header is nested deeper than the format allows");
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key) {
      const auto& key = value.get_ref<const std::string&>();
      require_data(keys.back().insert(key).second, file, "the header has the name '", key, "' twice");
    }
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::exception& error) {
    fail(ErrorKind::data, file, "expected a JSON header: ", error.what());
  }
}

bool is_list_of_counts(const json& value) {
  return value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const json& v) { return v.is_number_unsigned(); });
}

// The shape, checked to have few axes and a number of bytes that any file can hold.
Shape shape_of(const json& sizes, const std::string& file, const std::string& name) {
  require_data(sizes.size() <= kMaxRank, file, "tensor '", name, "' has ", sizes.size(), " axes, weft holds at most ",
               kMaxRank);
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 56;
  Shape shape;
  std::uint64_t product = 1;  // zeros left out, because strides multiply without them
  for (const json& size : sizes) {
    const auto value = size.get<std::uint64_t>();
    const std::uint64_t factor = std::max<std::uint64_t>(value, 1);
    require_data(factor <= kLimit / product, file, "tensor '", name, "' has a shape too large for any file");
    product *= factor;
    shape.push_back(static_cast<std::int64_t>(value));
  }
  return shape;
}

SafetensorsFile::Entry entry_of(const std::string& name, const json& value, const std::string& file) {
  const bool has_all = value.is_object() && value.size() == 3 && value.contains("dtype") && value.contains("shape") &&
                       value.contains("data_offsets");
  require_data(has_all, file, "tensor '", name, "' must have dtype, shape and data_offsets and nothing else");
  const json &dtype_name = value["dtype"], &sizes = value["shape"], &offsets = value["data_offsets"];
  require_data(dtype_name.is_string(), file, "the dtype of tensor '", name, "' must be a string");
  const auto dtype = dtype_from_file(dtype_name.get<std::string>());
  require_data(dtype.has_value(), file, "tensor '", name, "' is ", dtype_name.get<std::string>(),
               ", weft reads F32, F64, F16, BF16, I32, I64, U8 and BOOL");
  require_data(is_list_of_counts(sizes), file, "the shape of tensor '", name, "' must be a list of sizes");
  require_data(is_list_of_counts(offsets) && offsets.size() == 2, file, "the data_offsets of tensor '", name,
               "' must be two positions");
  SafetensorsFile::Entry entry{.name = name, .dtype = *dtype, .shape = shape_of(sizes, file, name)};
  const auto begin = offsets[0].get<std::uint64_t>(), end = offsets[1].get<std::uint64_t>();
  const std::uint64_t expected = static_cast<std::uint64_t>(entry.shape.elements()) * bytes_of(*dtype);
  require_data(begin <= end && end - begin == expected, file, "tensor '", name, "' ", entry.shape, " ", *dtype,
               " needs ", expected, " bytes, its data_offsets are [", begin, ", ", end, "]");
  entry.offset = begin;
  entry.bytes = expected;
  return entry;
}

Metadata metadata_of(const json& value, const std::string& file) {
  require_data(value.is_object(), file, kMetadataKey, " must be an object");
  Metadata metadata;
  for (const auto& [key, text] : value.items()) {
    require_data(text.is_string(), file, kMetadataKey, " '", key, "' must be a string");
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

}  // namespace

void write_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata) {
  check_names(tensors, path);
  NamedTensors sorted = tensors;
  std::stable_sort(sorted.begin(), sorted.end(), [](const NamedTensor& a, const NamedTensor& b) {
    return bytes_of(a.tensor.dtype()) > bytes_of(b.tensor.dtype());
  });
  const std::string header = header_of(sorted, metadata);
  require(header.size() <= kLargestHeader, path, "the header may have 100 MB, it has ", header.size(), " bytes");
  AtomicFile file(path);
  const std::uint64_t length = header.size();
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const auto& [name, tensor] : sorted) {
    const Tensor host = tensor.detach().to(Device{}).contiguous();
    file.write({static_cast<const std::byte*>(host.raw()), host.bytes()});
  }
  file.commit();
}

SafetensorsFile::SafetensorsFile(ByteSource source) : source_(std::move(source)) {
  std::uint64_t length = 0;
  source_.read(0, std::as_writable_bytes(std::span(&length, 1)));
  const std::uint64_t most = std::min(kLargestHeader, source_.bytes() - kLengthBytes);
  require_data(length <= most, name(), "offset 0: expected the length of a header, at most ", most, " bytes, found ",
               length);
  std::string text(length, '\0');
  source_.read(kLengthBytes, std::as_writable_bytes(std::span(text)));
  require_data(!text.empty() && text.front() == '{', name(), "offset 8: expected a JSON header that starts with {");
  const json header = parse_header(text, name());
  for (const auto& [key, value] : header.items()) {
    if (key == kMetadataKey) {
      metadata_ = metadata_of(value, name());
    } else {
      entries_.push_back(entry_of(key, value, name()));
    }
  }
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
  });
  std::uint64_t position = 0;
  for (Entry& entry : entries_) {
    require_data(entry.offset == position, name(), "tensor '", entry.name, "' should begin at ", position,
                 " of the data, it begins at ", entry.offset, entry.offset > position ? ": a hole" : ": an overlap");
    position += entry.bytes;
    entry.offset += kLengthBytes + length;
  }
  const std::uint64_t data_bytes = source_.bytes() - kLengthBytes - length;
  require_data(position == data_bytes, name(), "expected ", position, " bytes of data after the header, found ",
               data_bytes);
}

const SafetensorsFile::Entry* SafetensorsFile::find(std::string_view name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

Tensor SafetensorsFile::read(const Entry& entry) const {
  const Tensor tensor = empty(entry.shape, {.dtype = entry.dtype});
  const std::span<std::byte> bytes(static_cast<std::byte*>(tensor.raw()), entry.bytes);
  source_.read(entry.offset, bytes);
  if (entry.dtype == DType::boolean) {
    const auto bad = std::find_if(bytes.begin(), bytes.end(), [](std::byte b) { return b > std::byte{1}; });
    require_data(bad == bytes.end(), name(), "offset ", entry.offset + static_cast<std::uint64_t>(bad - bytes.begin()),
                 ": tensor '", entry.name, "' is BOOL, expected 0 or 1");
  }
  return tensor;
}

NamedTensors read_safetensors(const std::string& path) {
  const SafetensorsFile file(path);
  NamedTensors tensors;
  for (const SafetensorsFile::Entry& entry : file.entries()) tensors.push_back({entry.name, file.read(entry)});
  return tensors;
}

}  // namespace weft
