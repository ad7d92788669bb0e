#include "core/pth.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "core/log.h"
#include "core/unpickle.h"
#include "core/zip.h"

namespace weft {
namespace {

using Kind = Pickled::Kind;

constexpr std::size_t kLargestPickle = std::size_t{1} << 24;  // ResNet-152's has 80 kB
constexpr std::uint64_t kMostSharing = 16;                    // bytes of all tensors for each byte of the file
constexpr const char* kNested[] = {"state_dict", "model", "model_state_dict", "model_state", "net"};

struct StorageType {
  const char* name;
  std::optional<DType> dtype;  // none: weft has no such dtype
};
constexpr StorageType kStorageTypes[] = {
    {"FloatStorage", DType::f32}, {"DoubleStorage", DType::f64},
    {"HalfStorage", DType::f16},  {"BFloat16Storage", DType::bf16},
    {"IntStorage", DType::i32},   {"LongStorage", DType::i64},
    {"ByteStorage", DType::u8},   {"BoolStorage", DType::boolean},
    {"CharStorage", {}},          {"ShortStorage", {}},
    {"ComplexFloatStorage", {}},  {"ComplexDoubleStorage", {}},
    {"UntypedStorage", {}},
};
constexpr const char* kDTypeNames[] = {"float32", "float64", "float16", "bfloat16",  "float8_e4m3fn", "float8_e5m2",
                                       "uint8",   "uint16",  "uint32",  "uint64",    "int8",          "int16",
                                       "int32",   "int64",   "bool",    "complex64", "complex128"};
constexpr std::string_view kRebuild = "torch._utils _rebuild_tensor", kRebuild2 = "torch._utils _rebuild_tensor_v2",
                           kRebuild3 = "torch._utils _rebuild_tensor_v3",
                           kParameter = "torch._utils _rebuild_parameter";

// Every global that may occur in weights.
std::span<const std::string_view> allowed_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list = {
        "collections OrderedDict", std::string(kRebuild), std::string(kRebuild2), std::string(kRebuild3),
        std::string(kParameter),   "torch Size",          "torch device"};
    for (const StorageType& type : kStorageTypes)
      for (const char* module : {"torch ", "torch.cuda ", "torch.storage "})
        list.push_back(module + std::string(type.name));
    for (const char* name : kDTypeNames) list.push_back(std::string("torch ") + name);
    return list;
  }();
  static const std::vector<std::string_view> views(names.begin(), names.end());
  return views;
}

// "FloatStorage" of "torch FloatStorage".
std::string_view last_word(std::string_view name) { return name.substr(name.rfind(' ') + 1); }

// Where the bytes of a storage lie in the file.
struct StoredBytes {
  std::uint64_t offset = 0, bytes = 0;
};

// A tensor as the pickle describes it, checked against its storage.
struct TensorEntry {
  DType dtype = DType::f32;
  StoredBytes storage;
  std::uint64_t first = 0, last = 0;  // elements of the storage that it touches
  Shape shape = {};
  Strides strides = {};
};

using Storages = std::map<std::string, StoredBytes, std::less<>>;

const Pickled* unwrapped(const Pickled& value) {
  const bool parameter = value.is(Kind::call) && value.items[0]->text == kParameter && !value.items[1]->items.empty();
  return parameter ? value.items[1]->items[0] : &value;
}
bool is_tensor(const Pickled& value) {
  const Pickled& inner = *unwrapped(value);
  return inner.is(Kind::call) && inner.items[0]->text.starts_with(kRebuild);
}

const Pickled* entry_of(const Pickled& dictionary, std::string_view key) {
  for (std::size_t i = 0; i + 1 < dictionary.items.size(); i += 2)
    if (dictionary.items[i]->is(Kind::text) && dictionary.items[i]->text == key) return dictionary.items[i + 1];
  return nullptr;
}

// What a persistent id says of a storage: ("storage", type, key, location, elements), and a view in old files.
struct StorageId {
  std::string_view type, key;
  std::uint64_t elements = 0;
};

class Reader {
 public:
  explicit Reader(const ByteSource& source) : source_(source), file_(source.name()) {}

  NamedTensors read_zip();
  NamedTensors read_sequence();

 private:
  StorageId storage_id(const Pickled& id) const;
  std::optional<DType> dtype_of_storage(std::string_view type) const;
  Storages storages_behind(std::uint64_t at, const Pickle& pickle, const Pickled& keys) const;
  const Pickled& weights_of(const Pickled& root) const;
  NamedTensors tensors_of(const Pickle& pickle, const Storages& storages) const;
  TensorEntry tensor_entry(const std::string& name, const Pickled& value, const Storages& storages) const;
  Sizes sizes(const std::string& name, const Pickled& tuple) const;
  void check_extent(const std::string& name, TensorEntry& entry, std::uint64_t offset) const;
  Tensor read(const std::string& name, const TensorEntry& entry) const;

  const ByteSource& source_;
  const std::string& file_;
};

StorageId Reader::storage_id(const Pickled& value) const {
  const auto& id = value.is(Kind::persistent) ? value.items[0]->items : value.items;
  const bool fits = value.is(Kind::persistent) && value.items[0]->is(Kind::tuple) && id.size() >= 5 &&
                    id[0]->text == "storage" && id[1]->is(Kind::name) && id[2]->is(Kind::text) &&
                    id[4]->is(Kind::whole) && id[4]->whole >= 0;
  require_data(fits, file_, "a storage is not described as PyTorch describes it");
  require_data(id.size() == 5 || id[5]->is(Kind::none), file_,
               "a storage is a view of another one; load and save the file again with a new PyTorch");
  return {last_word(id[1]->text), id[2]->text, static_cast<std::uint64_t>(id[4]->whole)};
}

std::optional<DType> Reader::dtype_of_storage(std::string_view type) const {
  const auto found = std::ranges::find(kStorageTypes, type, &StorageType::name);
  return found == std::end(kStorageTypes) ? std::nullopt : found->dtype;
}

NamedTensors Reader::read_zip() {
  const ZipFile zip(source_);
  std::string folder;
  const ZipFile::Entry* pickle_entry = nullptr;
  for (const ZipFile::Entry& entry : zip.entries()) {
    const std::size_t slash = entry.name.rfind('/');
    if (std::string_view(entry.name).substr(slash + 1) != "data.pkl") continue;
    pickle_entry = &entry;
    folder = entry.name.substr(0, slash + 1);  // slash is npos when there is none: then ""
    break;
  }
  require_data(pickle_entry != nullptr, file_, "the zip archive holds no data.pkl, so torch.save did not write it");
  require_data(zip.find(folder + "constants.pkl") == nullptr, file_,
               "this is a TorchScript program; in PyTorch, save the state_dict() alone");
  if (const ZipFile::Entry* order = zip.find(folder + "byteorder")) {
    const std::vector<std::byte> text = zip.read(*order);
    const std::string_view word(reinterpret_cast<const char*>(text.data()), text.size());
    require_data(word == "little", file_, "its numbers are not little-endian but '", word, "'");
  }
  require_data(pickle_entry->bytes <= kLargestPickle, file_, pickle_entry->name, " has ", pickle_entry->bytes,
               " bytes, weft reads up to ", kLargestPickle);
  const std::vector<std::byte> bytes = zip.read(*pickle_entry);
  const Pickle pickle(bytes, message(file_, ": ", pickle_entry->name), allowed_names());
  Storages storages;
  for (const Pickled& value : pickle.values()) {
    if (!value.is(Kind::persistent)) continue;
    const StorageId id = storage_id(value);
    if (storages.contains(id.key)) continue;
    const ZipFile::Entry* entry = zip.find(message(folder, "data/", id.key));
    require_data(entry != nullptr, file_, "the storage data/", id.key, " is missing from the archive");
    zip.check(*entry);
    storages.emplace(id.key, StoredBytes{entry->offset, entry->bytes});
  }
  return tensors_of(pickle, storages);
}

// Five pickles (magic number, protocol, system, the object, the keys of its storages), then the storages in the order
// of their keys, each as its number of elements and its bytes.
NamedTensors Reader::read_sequence() {
  std::vector<std::byte> bytes(std::min<std::uint64_t>(source_.bytes(), kLargestPickle));
  source_.read(0, bytes);
  std::size_t at = 0;
  const auto next = [&](const char* what) {
    auto pickle = std::make_unique<Pickle>(std::span<const std::byte>(bytes).subspan(at),
                                           message(file_, ": ", what, " at offset ", at), allowed_names());
    at += pickle->bytes();
    return pickle;
  };
  constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  constexpr std::int64_t kVersion = 1001;
  require_data(next("magic number")->root().text == kMagic, file_, "a pickle, but not one that torch.save wrote");
  require_data(next("version")->root().whole == kVersion, file_, "expected version 1001 of PyTorch's older format");
  const auto system = next("system");
  const Pickled* little = entry_of(system->root(), "little_endian");
  require_data(little == nullptr || little->whole == 1, file_, "its numbers are not little-endian");
  const auto object = next("object");
  const auto keys = next("list of storages");
  return tensors_of(*object, storages_behind(at, *object, keys->root()));
}

Storages Reader::storages_behind(std::uint64_t at, const Pickle& pickle, const Pickled& keys) const {
  std::map<std::string_view, std::size_t> widths;
  for (const Pickled& value : pickle.values()) {
    if (!value.is(Kind::persistent)) continue;
    const StorageId id = storage_id(value);
    const std::optional<DType> dtype = dtype_of_storage(id.type);
    require_data(dtype.has_value(), file_, "a storage is a torch.", id.type, ", a type that weft does not read");
    widths[id.key] = bytes_of(*dtype);
  }
  Storages storages;
  for (const Pickled* key : keys.items) {
    const auto width = key->is(Kind::text) ? widths.find(key->text) : widths.end();
    require_data(width != widths.end(), file_, "the list of storages names one that no tensor uses");
    std::uint64_t elements = 0;
    source_.read(at, std::as_writable_bytes(std::span(&elements, 1)));
    at += sizeof elements;
    require_data(elements <= (source_.bytes() - at) / width->second, file_, "offset ", at, ": expected a storage of ",
                 elements, " elements, the file ends after ", source_.bytes() - at, " bytes");
    storages[key->text] = {at, elements * width->second};
    at += elements * width->second;
  }
  require_data(at == source_.bytes(), file_, "offset ", at, ": expected the end of the file, found ",
               source_.bytes() - at, " more bytes");
  return storages;
}

const Pickled& Reader::weights_of(const Pickled& root) const {
  constexpr int kDeepest = 3;
  const Pickled* weights = &root;
  for (int depth = 0; depth < kDeepest; ++depth) {
    const Pickled* inner = nullptr;
    for (const char* key : kNested) {
      inner = entry_of(*weights, key);
      if (inner != nullptr && inner->is(Kind::dictionary)) break;
      inner = nullptr;
    }
    if (inner == nullptr) break;
    weights = inner;
  }
  require_data(weights->is(Kind::dictionary), file_,
               "expected a dictionary of tensors by name, as state_dict() gives it");
  return *weights;
}

NamedTensors Reader::tensors_of(const Pickle& pickle, const Storages& storages) const {
  const Pickled& weights = weights_of(pickle.root());
  NamedTensors tensors;
  std::set<std::string_view> seen;
  std::string skipped;
  int skips = 0;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i + 1 < weights.items.size(); i += 2) {
    const Pickled &key = *weights.items[i], &value = *weights.items[i + 1];
    const std::string name = key.is(Kind::whole) ? std::to_string(key.whole) : key.text;
    if (!key.is(Kind::text) || !is_tensor(value)) {
      constexpr int kNamed = 8;
      if (++skips <= kNamed) skipped += message(skips > 1 ? ", " : "", name);
      continue;
    }
    require_data(seen.insert(key.text).second, file_, "two tensors have the name '", name, "'");
    const TensorEntry entry = tensor_entry(name, *unwrapped(value), storages);
    const std::uint64_t elements = std::max<std::uint64_t>(entry.shape.elements(), entry.last - entry.first + 1);
    bytes += elements * bytes_of(entry.dtype);
    require_data(bytes / kMostSharing <= source_.bytes(), file_,
                 "its tensors share storages: together they need more than ", kMostSharing,
                 " times the size of the file");
    tensors.push_back({name, read(name, entry)});
  }
  require_data(!tensors.empty(), file_, "holds no tensors by name", skips > 0 ? "; its entries are " : "", skipped);
  if (skips > 0) log(LogLevel::info, file_, ": left out ", skips, " entries that are no tensors: ", skipped);
  return tensors;
}

Sizes Reader::sizes(const std::string& name, const Pickled& tuple) const {
  constexpr std::int64_t kLargest = std::int64_t{1} << 56;
  require_data(tuple.is(Kind::tuple) && tuple.items.size() <= kMaxRank, file_, "tensor '", name, "' must have at most ",
               kMaxRank, " axes");
  Sizes sizes;
  for (const Pickled* size : tuple.items) {
    require_data(size->is(Kind::whole) && size->whole >= 0 && size->whole <= kLargest, file_, "tensor '", name,
                 "' has a size or stride that no file can hold");
    sizes.push_back(size->whole);
  }
  return sizes;
}

TensorEntry Reader::tensor_entry(const std::string& name, const Pickled& value, const Storages& storages) const {
  const auto& arguments = value.items[1]->items;
  const bool fits = arguments.size() >= 4 && arguments[1]->is(Kind::whole) && arguments[1]->whole >= 0;
  require_data(fits, file_, "tensor '", name, "' is not described as PyTorch describes it");
  const StorageId id = storage_id(*arguments[0]);
  const std::optional<DType> dtype = dtype_of_storage(id.type);
  if (!dtype || value.items[0]->text == kRebuild3)
    fail(ErrorKind::data, file_, "tensor '", name, "' is of a type that weft does not read (torch.",
         arguments.size() > 6 ? last_word(arguments[6]->text) : id.type,
         "); it reads float32, float64, float16, bfloat16, int32, int64, uint8 and bool");
  const auto storage = storages.find(id.key);
  require_data(storage != storages.end(), file_, "the storage of tensor '", name, "' is missing");
  TensorEntry entry{.dtype = *dtype, .storage = storage->second};
  entry.shape = Shape(std::span(sizes(name, *arguments[2])));
  entry.strides = sizes(name, *arguments[3]);
  require_data(entry.shape.rank() == entry.strides.rank(), file_, "tensor '", name, "' has ", entry.shape.rank(),
               " sizes and ", entry.strides.rank(), " strides");
  require_data(id.elements <= storage->second.bytes / bytes_of(*dtype), file_, "tensor '", name,
               "' expects a storage of ", id.elements, " elements, the file has ", storage->second.bytes,
               " bytes of it");
  check_extent(name, entry, static_cast<std::uint64_t>(arguments[1]->whole));
  return entry;
}

void Reader::check_extent(const std::string& name, TensorEntry& entry, std::uint64_t offset) const {
  const std::uint64_t capacity = entry.storage.bytes / bytes_of(entry.dtype);
  entry.first = entry.last = offset;
  std::uint64_t elements = 1;
  const bool empty = std::ranges::find(entry.shape, 0) != entry.shape.end();
  for (int axis = 0; axis < entry.shape.rank(); ++axis) {
    const auto size = static_cast<std::uint64_t>(std::max<std::int64_t>(entry.shape[axis], 1));
    const auto stride = static_cast<std::uint64_t>(entry.strides[axis]);
    require_data(size <= std::max<std::uint64_t>(capacity, 1) / elements || empty, file_, "tensor '", name, "' ",
                 Sizes(entry.shape), " has more elements than its storage, ", capacity);
    require_data(size <= (std::uint64_t{1} << 56) / elements, file_, "tensor '", name,
                 "' has a shape too large for any file");
    elements *= size;
    if (size > 1 && !empty) {
      require_data(stride <= capacity / (size - 1), file_, "tensor '", name, "' reaches beyond its storage");
      entry.last += (size - 1) * stride;
    }
  }
  require_data(empty || (entry.last < capacity && offset < capacity), file_, "tensor '", name, "' ends at element ",
               entry.last, " of a storage of ", capacity);
}

// Element by element in row-major order, from the part of the storage that starts at the tensor's first element.
void gather(const std::byte* from, const TensorEntry& entry, std::byte* to) {
  const std::size_t width = bytes_of(entry.dtype);
  const int rank = entry.shape.rank();
  std::array<std::int64_t, kMaxRank> index = {};
  std::int64_t at = 0;
  for (std::int64_t i = entry.shape.elements(); i > 0; --i) {
    std::memcpy(to, from + static_cast<std::size_t>(at) * width, width);
    to += width;
    for (int axis = rank - 1; axis >= 0; --axis) {
      at += entry.strides[axis];
      if (++index[static_cast<std::size_t>(axis)] < entry.shape[axis]) break;
      at -= entry.strides[axis] * entry.shape[axis];
      index[static_cast<std::size_t>(axis)] = 0;
    }
  }
}

// Whether the elements lie one after the other; the stride of an axis of one element means nothing.
bool dense(const TensorEntry& entry) {
  std::int64_t expected = 1;
  for (int axis = entry.shape.rank() - 1; axis >= 0; --axis) {
    if (entry.shape[axis] > 1 && entry.strides[axis] != expected) return false;
    expected *= entry.shape[axis];
  }
  return true;
}

Tensor Reader::read(const std::string& name, const TensorEntry& entry) const {
  const Tensor tensor = empty(entry.shape, {.dtype = entry.dtype});
  if (tensor.elements() == 0) return tensor;
  const std::size_t width = bytes_of(entry.dtype);
  const std::span<std::byte> bytes(static_cast<std::byte*>(tensor.raw()), tensor.bytes());
  const std::uint64_t begin = entry.storage.offset + entry.first * width;
  if (dense(entry)) {
    source_.read(begin, bytes);
  } else {
    std::vector<std::byte> part((entry.last - entry.first + 1) * width);
    source_.read(begin, part);
    gather(part.data(), entry, bytes.data());
  }
  if (entry.dtype == DType::boolean)
    require_data(std::ranges::none_of(bytes, [](std::byte b) { return b > std::byte{1}; }), file_, "tensor '", name,
                 "' is of bool, expected 0 or 1");
  return tensor;
}

}  // namespace

// The bytes of a safetensors file may start in the same way, but its ninth is always {.
bool recognizes_pth(const ByteSource& source) {
  std::array<std::byte, 9> start = {};
  if (source.bytes() < start.size()) return false;
  source.read(0, start);
  if (start[8] == std::byte{'{'}) return false;
  const bool pickle = start[0] == std::byte{0x80} && start[1] >= std::byte{2} && start[1] <= std::byte{5};
  return pickle || ZipFile::recognizes(source);
}

NamedTensors read_pth(const ByteSource& source) {
  Reader reader(source);
  return ZipFile::recognizes(source) ? reader.read_zip() : reader.read_sequence();
}

NamedTensors read_pth(const std::string& path) { return read_pth(ByteSource(path)); }

}  // namespace weft
