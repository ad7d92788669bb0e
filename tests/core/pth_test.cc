#include "core/pth.h"

#include <cstring>

#include "core/safetensors.h"
#include "core/weights.h"
#include "tests/catch.h"
#include "tests/scratch.h"

namespace weft {
namespace {

using tests::Scratch;

const std::string kGolden = "tests/golden/files/";

const Tensor& named(const NamedTensors& tensors, const std::string& name) {
  for (const NamedTensor& entry : tensors)
    if (entry.name == name) return entry.tensor;
  throw std::runtime_error("no tensor " + name);
}

std::vector<double> count_from(double first, int n) {
  std::vector<double> list;
  for (int i = 0; i < n; ++i) list.push_back(first + i);
  return list;
}

std::string complaint(const std::string& bytes) {
  try {
    read_weights(ByteSource(std::as_bytes(std::span(bytes)), "f"));
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::data);
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    return error.what();
  }
  return "no error";
}

std::string golden(const std::string& name) { return read_text_file(kGolden + name + ".pth"); }

// The text with what stands first replaced by as many other bytes; for the bytes of a pickle.
std::string with(std::string text, std::string_view old, std::string_view changed) {
  const std::size_t at = text.find(old);
  REQUIRE(at != text.npos);
  REQUIRE(old.size() == changed.size());
  return text.replace(at, old.size(), changed);
}

// The archive without checksums, so that a changed pickle is looked at rather than refused as damaged.
std::string unchecked(std::string archive) {
  for (std::size_t at = 0; (at = archive.find("PK\1\2", at)) != archive.npos; at += 4)
    archive.replace(at + 16, 4, std::string(4, '\0'));
  return archive;
}

}  // namespace

TEST_CASE("every dtype that torch.save writes and weft has is read, in both formats") {
  for (const char* file : {"dtypes", "dtypes_legacy"}) {
    const NamedTensors tensors = read_pth(kGolden + file + ".pth");
    REQUIRE(tensors.size() == 10);
    CHECK(tensors[0].name == "f32");  // in the order of the dictionary
    CHECK(tensors[9].name == "empty");
    for (const auto& [name, dtype] : std::initializer_list<std::pair<const char*, DType>>{{"f32", DType::f32},
                                                                                          {"f64", DType::f64},
                                                                                          {"f16", DType::f16},
                                                                                          {"bf16", DType::bf16},
                                                                                          {"i32", DType::i32},
                                                                                          {"i64", DType::i64}}) {
      const Tensor& x = named(tensors, name);
      CHECK(x.dtype() == dtype);
      CHECK(x.shape() == Shape{2, 3});
      CHECK(x.to_vector() == count_from(-2, 6));
    }
    CHECK(named(tensors, "u8").dtype() == DType::u8);
    CHECK(named(tensors, "u8").to_vector() == count_from(0, 6));
    CHECK(named(tensors, "bool").dtype() == DType::boolean);
    CHECK(named(tensors, "bool").to_vector() == std::vector<double>{1, 0, 0, 1, 0, 0});
    CHECK(named(tensors, "scalar").shape() == Shape{});
    CHECK(named(tensors, "scalar").item() == 7);
    CHECK(named(tensors, "empty").shape() == Shape{0, 4});
  }
}

TEST_CASE("strides, offsets, shared storages and parameters are honoured") {
  const NamedTensors tensors = read_pth(kGolden + "views.pth");
  const std::vector<double> all = count_from(-2, 60);
  const Tensor base = tensor({3, 4, 5}, all);
  CHECK(named(tensors, "base").to_vector() == all);
  CHECK(named(tensors, "tied").to_vector() == all);
  CHECK(named(tensors, "tied").storage() != named(tensors, "base").storage());
  CHECK(named(tensors, "permuted").shape() == Shape{5, 3, 4});
  CHECK(named(tensors, "permuted").contiguous_format());
  CHECK(named(tensors, "permuted").to_vector() == base.permute({2, 0, 1}).to_vector());
  CHECK(named(tensors, "column").to_vector() == std::vector<double>{5, 25, 45});
  CHECK(named(tensors, "channels_last").shape() == Shape{2, 3, 2, 2});
  CHECK(named(tensors, "channels_last").to_vector() == count_from(-2, 24));
  CHECK(named(tensors, "parameter").to_vector() == base.slice(0, 1, 3).slice(1, 0, 4, 2).slice(2, 1, 4).to_vector());
}

TEST_CASE("a checkpoint's weights are found inside it, and what is no tensor is left out") {
  const NamedTensors tensors = read_pth(kGolden + "nested.pth");
  REQUIRE(tensors.size() == 5);
  CHECK(tensors[0].name == "weight");
  CHECK(named(tensors, "running_var").to_vector() == std::vector<double>{1, 1});
  CHECK(named(tensors, "num_batches_tracked").dtype() == DType::i64);
}

TEST_CASE("files without checksums are read") {
  CHECK(read_pth(kGolden + "no_crc.pth")[0].tensor.to_vector() == count_from(-2, 4));
}

TEST_CASE("weights are told apart by content, whatever the name and the length of a header") {
  const Scratch scratch;
  write_file(scratch / "a.safetensors", golden("no_crc"));
  CHECK(read_weights(scratch / "a.safetensors").size() == 1);
  // A header of 640 bytes starts with the bytes of a pickle of protocol 2.
  std::string name(560, 'n');
  do write_safetensors(scratch / "b.pth", {{name += 'n', zeros({1})}});
  while (name.size() < 640 && !read_text_file(scratch / "b.pth").starts_with("\x80\x02"));
  CHECK(read_text_file(scratch / "b.pth").starts_with("\x80\x02"));
  CHECK(read_weights(scratch / "b.pth").size() == 1);
}

TEST_CASE("what weights do not need is refused by name") {
  CHECK_THAT(complaint(golden("module")), contains("it asks for Python's torch.nn.modules.batchnorm BatchNorm1d") &&
                                              contains("save the state_dict() alone"));
  CHECK_THAT(complaint(golden("int8")),
             contains("tensor 'w' is of a type that weft does not read (torch.CharStorage)"));
  CHECK_THAT(complaint(golden("uint16")), contains("tensor 'w' is of a type that weft does not read (torch.uint16)"));
  CHECK_THAT(complaint(golden("tensor")), contains("expected a dictionary of tensors by name"));
  CHECK_THAT(complaint(golden("protocol4")), contains("expected a pickle of protocol 2"));
  CHECK_THAT(complaint(with(unchecked(golden("dtypes")), "collections\nOrderedDict", "posix.sleep\nsystem.now.")),
             contains("it asks for Python's posix.sleep system.now., which weights do not need"));
}

TEST_CASE("a file cut off anywhere, or with one byte changed in its data, is refused in one line") {
  for (const char* name : {"dtypes", "dtypes_legacy", "views"}) {
    const std::string whole = golden(name);
    REQUIRE(complaint(whole) == "no error");
    for (std::size_t bytes = 0; bytes < whole.size(); bytes += bytes < 200 ? 1 : 37)
      CHECK_THAT(complaint(whole.substr(0, bytes)), contains("f: "));
  }
  std::string archive = golden("views");
  const std::size_t storage = archive.find("views/data/0");
  archive[archive.find("\x00\x00\x80\xbf", storage, 4)] ^= 1;  // -1, the second element of base
  CHECK_THAT(complaint(archive), contains("entry 'views/data/0' is damaged: its bytes have another CRC-32"));
}

TEST_CASE("sizes, strides and offsets beyond the storage are refused") {
  // no_crc.pth: the storage has 4 elements, then come offset 0, size (2, 2), stride (2, 1), each a byte behind 'K'.
  const std::string file = golden("no_crc");
  const std::string place("K\0K\2K\2\x86", 7);
  const auto changed = [&](std::string bytes) { return complaint(with(file, place, bytes)); };
  CHECK_THAT(changed(std::string("K\1K\2K\2\x86", 7)), contains("tensor 'w' ends at element 4 of a storage of 4"));
  CHECK_THAT(changed(std::string("K\xffK\2K\2\x86", 7)), contains("tensor 'w' ends at element"));
  CHECK_THAT(changed(std::string("K\0K\3K\2\x86", 7)),
             contains("tensor 'w' (3, 2) has more elements than its storage, 4"));
  CHECK_THAT(changed(std::string("K\0K\0K\2\x86", 7)), contains("no error"));
  const std::string strides("q\x08K\2K\1\x86", 7);
  CHECK_THAT(complaint(with(file, strides, std::string("q\x08K\3K\2\x86", 7))), contains("ends at element 5"));
}

TEST_CASE("archives that PyTorch does not write are refused with the reason") {
  const std::string file = golden("no_crc");
  std::string compressed = file, encrypted = file, moved = file, renamed = file;
  const std::size_t entry = file.find("PK\1\2");
  compressed[entry + 10] = 8;
  CHECK_THAT(complaint(compressed), contains("is compressed; torch.save stores without compression"));
  encrypted[entry + 8] |= 1;
  CHECK_THAT(complaint(encrypted), contains("is encrypted"));
  moved[entry + 42] += 1;
  CHECK_THAT(complaint(moved), contains("expected the header of entry 'no_crc/data.pkl'"));
  renamed[file.find("no_crc/data.pkl")] = 'm';
  CHECK_THAT(complaint(renamed), contains("expected the header of entry 'no_crc/data.pkl'"));
  std::string gone = file;
  for (std::size_t at = 0; (at = gone.find("data.pkl", at)) != gone.npos; ++at) gone[at] = 'D';
  CHECK_THAT(complaint(gone), contains("holds no data.pkl"));
  std::string lost = file;
  for (std::size_t at = 0; (at = lost.find("data/0", at)) != lost.npos; ++at) lost[at + 5] = '7';
  CHECK_THAT(complaint(lost), contains("the storage data/0 is missing"));
  CHECK_THAT(complaint(with(with(file, "little", "middle"), "\x80\x02", "\x80\x02")), contains("not little-endian"));
  CHECK_THAT(complaint(std::string("\x80\x02}.        ", 12)), contains("not one that torch.save wrote"));
}

TEST_CASE("lists in circles and shared ones cost no more than their bytes") {
  // The dictionary {"w": l} where the list l holds itself, in the archive's data.pkl of the same length.
  const std::string file = unchecked(golden("no_crc"));
  const std::size_t begin = file.find("\x80\x02");
  const std::size_t size = file.find("FB", begin) == file.npos ? 0 : file.find("PK\3\4", begin) - begin;
  REQUIRE(size > 60);
  std::string pickle = std::string("\x80\x02}X\1\0\0\0w]q\0h\0as.", 17);
  CHECK_THAT(complaint(std::string(file).replace(begin, pickle.size(), pickle)), contains("holds no tensors by name"));
}

}  // namespace weft
