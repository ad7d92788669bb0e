#include "core/npy.h"

#include "tests/catch.h"
#include "tests/scratch.h"

namespace weft {
namespace {

using tests::Scratch;

const std::string kGolden = "tests/golden/files/";

std::vector<double> numbers(double first, int n) {
  std::vector<double> list;
  for (int i = 0; i < n; ++i) list.push_back(first + i);
  return list;
}

std::string npy(const std::string& header, const std::string& data, char version = 1) {
  std::string file = "\x93NUMPY";
  file += version;
  file += '\0';
  file += static_cast<char>(header.size() & 255);
  file += static_cast<char>(header.size() >> 8);
  if (version > 1) file.append(2, '\0');
  return file + header + data;
}

std::string complaint(const std::string& bytes) {
  try {
    read_npy(ByteSource(std::as_bytes(std::span(bytes)), "f"));
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::data);
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("arrays of NumPy are read, and written as the same bytes") {
  const Scratch scratch;
  for (const auto& [name, dtype] : std::initializer_list<std::pair<const char*, DType>>{{"f2", DType::f16},
                                                                                        {"f4", DType::f32},
                                                                                        {"f8", DType::f64},
                                                                                        {"i4", DType::i32},
                                                                                        {"i8", DType::i64},
                                                                                        {"u1", DType::u8},
                                                                                        {"b1", DType::boolean}}) {
    INFO(name);
    const std::string file = kGolden + name + ".npy";
    const Tensor x = read_npy(file);
    CHECK(x.dtype() == dtype);
    CHECK(x.shape() == Shape{2, 3});
    if (dtype == DType::boolean) {
      CHECK(x.to_vector() == std::vector<double>{1, 0, 0, 1, 0, 0});
    } else {
      CHECK(x.to_vector() == numbers(dtype == DType::u8 ? 0 : -2, 6));
    }
    write_npy(scratch / "x.npy", x);
    CHECK(read_text_file(scratch / "x.npy") == read_text_file(file));
  }
  for (const char* name : {"scalar", "empty", "vector"}) {
    write_npy(scratch / "x.npy", read_npy(kGolden + name + ".npy"));
    CHECK(read_text_file(scratch / "x.npy") == read_text_file(kGolden + name + ".npy"));
  }
  CHECK(read_npy(kGolden + "scalar.npy").shape() == Shape{});
  CHECK(read_npy(kGolden + "scalar.npy").item() == 7);
  CHECK(read_npy(kGolden + "empty.npy").shape() == Shape{0, 3});
}

TEST_CASE("other versions, byte order and Fortran order are read") {
  CHECK(read_npy(kGolden + "version2.npy").to_vector() == numbers(-2, 6));
  CHECK(read_npy(kGolden + "version3.npy").to_vector() == numbers(-2, 6));
  CHECK(read_npy(kGolden + "big_endian.npy").to_vector() == numbers(-2, 6));
  const Tensor x = read_npy(kGolden + "fortran.npy");
  CHECK(x.shape() == Shape{2, 3, 4});
  CHECK(x.contiguous_format());
  CHECK(x.to_vector() == numbers(-2, 24));
}

TEST_CASE("a tensor of any layout is written in C order") {
  const Scratch scratch;
  const Tensor x = tensor({2, 3}, {0, 1, 2, 3, 4, 5});
  write_npy(scratch / "a", x.transpose());
  CHECK(read_npy(scratch / "a").to_vector() == std::vector<double>{0, 3, 1, 4, 2, 5});
  CHECK_THROWS_WITH(write_npy(scratch / "b", x.to(DType::bf16)),
                    scratch / "b" + ": a .npy file cannot hold bf16; convert with .to(DType::f32)");
  CHECK(!std::filesystem::exists(scratch / "b"));
}

TEST_CASE("every truncation of a .npy file is refused, and a byte too many") {
  for (const char* name : {"f4.npy", "version3.npy", "fortran.npy"}) {
    const std::string file = read_text_file(kGolden + name);
    for (std::size_t n = 0; n < file.size(); ++n) {
      INFO(n);
      CHECK(complaint(file.substr(0, n)) != "no error");
    }
    CHECK_THAT(complaint(file + "x"), contains("bytes of data"));
  }
}

TEST_CASE("mistaken and hostile .npy headers are refused in one line") {
  const auto dictionary = [](const std::string& type, const std::string& order, const std::string& shape) {
    return "{'descr': " + type + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
  };
  const std::string four(4, '\0');
  CHECK(complaint(npy(dictionary("'<f4'", "False", "(1,)"), four)) == "no error");
  CHECK(complaint(npy("{\"shape\":(1L,),\"descr\":\"=f4\",\"fortran_order\":True}", four)) == "no error");
  const auto refuses = [&](const std::string& header, const std::string& expected) {
    INFO(header);
    CHECK_THAT(complaint(npy(header, four)), contains(expected));
  };
  refuses(dictionary("'<f4'", "False", "(2,)"), "expected 8 bytes of data for (2,) f32, found 4");
  refuses(dictionary("'|O'", "False", "(1,)"), "the array is of type '|O', weft reads");
  refuses(dictionary("'<V2'", "False", "(2,)"), "store bf16 as f4");
  refuses(dictionary("''", "False", "(2,)"), "the array is of type ''");
  refuses(dictionary("'<f\n\x7f'", "False", "(2,)"), "the array is of type '<f\\x0a\\x7f'");  // one line
  refuses(dictionary("[('a', '<f4')]", "False", "(1,)"), "a plain type (arrays of records are not read)");
  refuses(dictionary("'<f4'", "0", "(1,)"), "expected True or False");
  refuses(dictionary("'<f4'", "False", "(-1,)"), "expected a size");
  refuses(dictionary("'<f4'", "False", "(99999999999999999999999,)"), "a size that a file can hold");
  refuses(dictionary("'<f4'", "False", "(4294967296,4294967296,4294967296)"), "too large for any file");
  refuses(dictionary("'<f4'", "False", "(0,4294967296,4294967296,4294967296)"), "too large for any file");
  refuses(dictionary("'<f4'", "False", "(1,1,1,1,1,1,1,1,1)"), "at most 8 axes");
  refuses("{'descr': '<f4', 'descr': '<f4'}", "each key once");
  refuses("{'descr': '<f4', 'shape': (1,)}", "all of the keys");
  refuses("{'other': '<f4'}", "the keys descr, fortran_order and shape only");
  refuses("{'descr': '<f4", "the end of the string");
  refuses(dictionary("'<f4'", "False", "(1,)") + "x", "nothing after the dictionary");
  refuses("", "expected '{'");
  CHECK_THAT(complaint("PK\3\4aaaaaaaa"), contains("offset 0: expected a .npy file"));
  CHECK_THAT(complaint(npy("{}", "", 4)), contains("offset 6: expected version 1.0, 2.0 or 3.0, found 4.0"));
  CHECK_THAT(complaint(std::string("\x93NUMPY\2\0\xff\xff\xff\x7f", 12)), contains("expected a header of at most"));
  CHECK_THROWS_WITH(read_npy("none.npy"), "none.npy: cannot open: No such file or directory");
}

}  // namespace weft
