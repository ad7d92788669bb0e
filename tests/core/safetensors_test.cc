#include "core/safetensors.h"

#include <cstring>

#include "tests/catch.h"
#include "tests/scratch.h"

namespace weft {
namespace {

using tests::Scratch;

const std::string kGolden = "tests/golden/files/";

std::string file_of(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file + header + std::string(data_bytes, '\1');
}

// Reads all tensors of a file given as bytes.
void read_bytes(const std::string& bytes) {
  const SafetensorsFile file(ByteSource(std::as_bytes(std::span(bytes)), "f"));
  for (const SafetensorsFile::Entry& entry : file.entries()) file.read(entry);
}

std::string complaint(const std::string& bytes) {
  try {
    read_bytes(bytes);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::data);
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    return error.what();
  }
  return "no error";
}

std::vector<double> count_from(double first, int n) {
  std::vector<double> list;
  for (int i = 0; i < n; ++i) list.push_back(first + i);
  return list;
}

}  // namespace

TEST_CASE("files of the safetensors library are read, every dtype") {
  const SafetensorsFile file(kGolden + "dtypes.safetensors");
  CHECK(file.entries().size() == 7);
  for (const auto& [name, dtype] : std::initializer_list<std::pair<const char*, DType>>{
           {"f64", DType::f64}, {"f32", DType::f32}, {"i32", DType::i32}, {"f16", DType::f16}, {"bf16", DType::bf16}}) {
    const SafetensorsFile::Entry* entry = file.find(name);
    REQUIRE(entry != nullptr);
    const Tensor x = file.read(*entry);
    CHECK(x.dtype() == dtype);
    CHECK(x.shape() == Shape{2, 2});
    CHECK(x.to_vector() == count_from(-2, 4));
  }
  CHECK(file.read(*file.find("u8")).to_vector() == count_from(0, 4));
  CHECK(file.read(*file.find("empty")).shape() == Shape{0, 4});
  CHECK(file.find("none") == nullptr);
}

TEST_CASE("the bytes written are those of the safetensors library") {
  const Scratch scratch;
  const NamedTensors tensors = {
      {"mask", tensor({5}, {1, 0, 0, 1, 0}, {.dtype = DType::boolean})},
      {"conv.weight", tensor({2, 3, 1, 1}, {-2, -1, 0, 1, 2, 3})},
      {"half", tensor({3}, {-2, -1, 0}, {.dtype = DType::f16})},
      {"steps", tensor({}, {7}, {.dtype = DType::i64})},
  };
  write_safetensors(scratch / "a", tensors, {{"weft", "golden"}});
  CHECK(read_text_file(scratch / "a") == read_text_file(kGolden + "widths.safetensors"));
}

TEST_CASE("what is written is read back: dtypes, order, metadata, odd names") {
  const Scratch scratch;
  const NamedTensors tensors = {
      {"z", tensor({2}, {1, 2})},
      {"a \"quoted\" \xc3\xa9\n", tensor({1}, {3})},
      {"empty", zeros({0, 3})},
      {"i32", tensor({2}, {-1, 5}, {.dtype = DType::i32})},
      {"bf16", tensor({3}, {1, 2, 3}, {.dtype = DType::bf16})},
      {"u8", tensor({3}, {1, 2, 255}, {.dtype = DType::u8})},
  };
  write_safetensors(scratch / "a", tensors, {{"b", "2"}, {"a", "1\n"}});
  const NamedTensors read = read_safetensors(scratch / "a");
  REQUIRE(read.size() == tensors.size());
  for (const NamedTensor& expected : tensors) {
    const auto found = std::find_if(read.begin(), read.end(), [&](const auto& t) { return t.name == expected.name; });
    REQUIRE(found != read.end());
    CHECK(found->tensor.dtype() == expected.tensor.dtype());
    CHECK(found->tensor.shape() == expected.tensor.shape());
    CHECK(found->tensor.to_vector() == expected.tensor.to_vector());
  }
  CHECK(read[0].name == "z");
  CHECK(SafetensorsFile(scratch / "a").metadata() == Metadata{{"a", "1\n"}, {"b", "2"}});
  write_safetensors(scratch / "b", {});
  CHECK(read_safetensors(scratch / "b").empty());
}

TEST_CASE("the file is row-major whatever the memory format") {
  const Scratch scratch;
  const Tensor x = tensor({1, 2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7});
  write_safetensors(scratch / "a", {{"x", x}});
  write_safetensors(scratch / "b", {{"x", x.to(MemoryFormat::channels_last)}});
  write_safetensors(scratch / "c", {{"x", x.permute({3, 2, 1, 0}).contiguous().permute({3, 2, 1, 0})}});
  CHECK(read_text_file(scratch / "a") == read_text_file(scratch / "b"));
  CHECK(read_text_file(scratch / "a") == read_text_file(scratch / "c"));
}

TEST_CASE("names that a file cannot hold are refused before anything is written") {
  const Scratch scratch;
  const Tensor x = zeros({1});
  CHECK_THROWS_WITH(write_safetensors(scratch / "a", {{"x", x}, {"x", x}}),
                    scratch / "a" + ": two tensors have the name 'x'");
  CHECK_THROWS_WITH(write_safetensors(scratch / "a", {{"x", Tensor()}}), scratch / "a" + ": tensor 'x' is undefined");
  CHECK_THROWS_AS(write_safetensors(scratch / "a", {{"\xff", x}}), Error);
  CHECK_THROWS_AS(write_safetensors(scratch / "a", {{"__metadata__", x}}), Error);
  CHECK(std::filesystem::is_empty(scratch.path()));
}

TEST_CASE("every truncation of a safetensors file is refused, and a byte too many") {
  for (const char* name : {"widths.safetensors", "dtypes.safetensors"}) {
    const std::string file = read_text_file(kGolden + name);
    REQUIRE(complaint(file) == "no error");
    for (std::size_t n = 0; n < file.size(); ++n) {
      INFO(n);
      CHECK(complaint(file.substr(0, n)) != "no error");
    }
    CHECK_THAT(complaint(file + "x"), contains("bytes of data after the header"));
  }
}

TEST_CASE("hostile and mistaken headers are refused in one line") {
  const auto refuses = [](const std::string& header, std::size_t data, const std::string& expected) {
    INFO(header);
    CHECK_THAT(complaint(file_of(header, data)), contains(expected));
  };
  const auto one = [](const char* dtype, const char* shape, const char* offsets) {
    return message(R"({"x":{"dtype":")", dtype, R"(","shape":)", shape, R"(,"data_offsets":)", offsets, "}}");
  };
  const auto two = [](const char* second, const char* offsets) {
    return message(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},")", second,
                   R"(":{"dtype":"F32","shape":[1],"data_offsets":)", offsets, "}}");
  };
  CHECK(complaint(file_of(one("F32", "[2]", "[0,8]") + "   ", 8)) == "no error");
  refuses(one("F32", "[2]", "[0,4]"), 4, "tensor 'x' (2,) f32 needs 8 bytes, its data_offsets are [0, 4]");
  refuses(one("F32", "[2]", "[8,0]"), 8, "needs 8 bytes");
  refuses(one("F32", "[2]", "[4,12]"), 12, "tensor 'x' should begin at 0 of the data, it begins at 4: a hole");
  refuses(one("F32", "[2]", "[0,8]"), 9, "expected 8 bytes of data after the header, found 9");
  refuses(one("F32", "[2]", "[0,8]"), 7, "expected 8 bytes of data after the header, found 7");
  refuses(one("F8_E4M3", "[2]", "[0,2]"), 2, "tensor 'x' is F8_E4M3, weft reads F32, F64");
  refuses(one("F32", "[-1]", "[0,8]"), 8, "the shape of tensor 'x' must be a list of sizes");
  refuses(one("F32", "[1.5]", "[0,8]"), 8, "must be a list of sizes");
  refuses(one("F32", "[18446744073709551616]", "[0,8]"), 8, "must be a list of sizes");
  refuses(one("F32", "[4294967296,4294967296,4294967296]", "[0,0]"), 0, "a shape too large for any file");
  refuses(one("F32", "[0,18446744073709551615,2]", "[0,0]"), 0, "a shape too large for any file");
  refuses(one("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "has 9 axes, weft holds at most 8");
  refuses(one("F32", "[2]", "[0]"), 8, "the data_offsets of tensor 'x' must be two positions");
  refuses(one("BOOL", "[1]", "[0,1]").replace(2, 1, "y"), 1, "no error");
  refuses(two("y", "[0,4]"), 4, "tensor 'y' should begin at 4 of the data, it begins at 0: an overlap");
  refuses(two("x", "[4,8]"), 8, "the header has the name 'x' twice");
  refuses(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}})", 4, "and nothing else");
  refuses(R"({"__metadata__":{"a":1}})", 0, "__metadata__ 'a' must be a string");
  refuses(R"({"x":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, "nested deeper");
  refuses(std::string(1 << 20, '['), 0, "starts with {");
  refuses("{" + std::string(1 << 20, '['), 0, "expected a JSON header");
  refuses(R"({"x":)" + std::string(1 << 20, '['), 0, "nested deeper");
  refuses("{\"\xff\":1}", 0, "expected a JSON header");
  refuses("", 0, "starts with {");
  refuses("[]", 0, "starts with {");
  CHECK_THAT(complaint(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)), contains("length of a header"));
  CHECK_THAT(complaint("abc"), contains("offset 0: expected 8 bytes, the file ends after 3"));
  std::string boolean = file_of(one("BOOL", "[2]", "[0,2]"), 2);
  boolean.back() = '\2';
  CHECK_THAT(complaint(boolean), contains("is BOOL, expected 0 or 1"));
}

TEST_CASE("a header longer than 100 MB is refused without reading it") {
  const Scratch scratch;
  std::string start(8, '\0');
  const std::uint64_t length = 100'000'001;
  std::memcpy(start.data(), &length, sizeof length);
  write_file(scratch / "a", start);
  std::filesystem::resize_file(scratch / "a", 200'000'000);  // a hole on disk
  CHECK_THROWS_WITH(SafetensorsFile(scratch / "a"),
                    contains("expected the length of a header, at most 100000000 bytes, found 100000001"));
}

}  // namespace weft
