#include "data/idx.h"

#include <cstring>
#include <vector>

#include "core/file.h"
#include "tests/catch.h"
#include "tests/data/gzip.h"
#include "tests/scratch.h"

namespace weft::data {
namespace {

using tests::gzip;
using tests::Scratch;

std::string idx(std::initializer_list<unsigned> sizes, const std::string& values) {
  std::string file = {0, 0, 8, static_cast<char>(sizes.size())};
  for (const unsigned size : sizes) {
    for (int shift = 24; shift >= 0; shift -= 8) file += static_cast<char>(size >> shift & 255);
  }
  return file + values;
}

Tensor parse(const std::string& file) { return read_idx(ByteSource(std::as_bytes(std::span(file)), "f")); }

std::string complaint(const std::string& file) {
  try {
    parse(file);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::data);
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("idx files are read plain and gzipped", "[L11]") {
  const std::string file = idx({2, 1, 3}, "abcdef");
  for (const Tensor& x : {parse(file), parse(gzip(file))}) {
    CHECK(x.shape() == Shape{2, 1, 3});
    CHECK(x.dtype() == DType::u8);
    CHECK(x.to_vector() == std::vector<double>{'a', 'b', 'c', 'd', 'e', 'f'});
  }
  CHECK(parse(idx({0}, "")).elements() == 0);
  CHECK(parse(gzip(idx({0, 5}, ""))).shape() == Shape{0, 5});
}

TEST_CASE("every truncation of an idx file is refused, plain and gzipped") {
  const std::string file = idx({2, 1, 3}, "abcdef"), zipped = gzip(file);
  for (std::size_t n = 0; n < file.size(); ++n) CHECK(complaint(file.substr(0, n)) != "no error");
  for (std::size_t n = 0; n < zipped.size(); ++n) CHECK(complaint(zipped.substr(0, n)) != "no error");
}

TEST_CASE("a damaged byte of a gzipped idx file is refused or changes nothing") {
  const std::string zipped = gzip(idx({2, 1, 3}, "abcdef"));
  const std::vector<double> good = parse(zipped).to_vector();
  int refused = 0;
  constexpr std::size_t kGzipHeader = 10;  // its time stamp and system may be anything
  for (std::size_t n = kGzipHeader; n < zipped.size(); ++n) {
    std::string bad = zipped;
    bad[n] = static_cast<char>(bad[n] ^ 0x40);
    if (complaint(bad) != "no error") {
      ++refused;
    } else {
      CHECK(parse(bad).to_vector() == good);  // deflate can say the same in several ways
    }
  }
  CHECK(refused > static_cast<int>(zipped.size()) - 15);
}

TEST_CASE("what is wrong with an idx file is said with offset and expectation") {
  CHECK(complaint("") ==
        "f: offset 0: expected the magic number of an idx file (4 bytes from offset 0), the data ends after 0");
  CHECK(complaint("PNG!") == "f: offset 0: expected an idx file (two zero bytes first), found 1347307297");
  CHECK(complaint({"\0\0\x0d\x01", 4}) == "f: offset 2: expected type 8 (unsigned bytes), found 13");
  CHECK(complaint({"\0\0\x08\0", 4}) == "f: offset 3: expected 1 to 8 axes, found 0");
  CHECK(complaint({"\0\0\x08\x09", 4}) == "f: offset 3: expected 1 to 8 axes, found 9");
  CHECK(complaint(idx({2, 3}, "abc").substr(0, 10)) ==
        "f: offset 10: expected the size of axis 1 (4 bytes from offset 8), the data ends after 2");
  CHECK(complaint(idx({2, 3}, "abc")) ==
        "f: offset 15: expected the values of (2, 3) (6 bytes from offset 12), the data ends after 3");
  CHECK(complaint(idx({2}, "abc")) == "f: offset 10: expected the end of the data, found more");
  CHECK(complaint(gzip(idx({2}, "ab")) + "x") ==
        "f: offset 10: expected the end of the file, found 1 bytes after the gzip stream");
}

TEST_CASE("hostile sizes neither overflow nor allocate") {
  constexpr unsigned kHuge = 0xffffffffu;
  for (const std::string& file :
       {idx({kHuge}, "abc"), idx({kHuge, kHuge, kHuge, kHuge}, "abc"), idx({1u << 31, 1u << 31, 4}, "abc"),
        idx({0, kHuge, kHuge, kHuge}, ""), gzip(idx({kHuge, kHuge}, "abc"))}) {
    CHECK_THAT(complaint(file), contains("the file is too short"));
  }
}

TEST_CASE("images and labels are checked against each other") {
  const Scratch scratch;
  const auto file = [&](const char* name, const std::string& bytes) {
    write_file(scratch / name, bytes);
    return scratch / name;
  };
  const std::string images = file("images", idx({2, 1, 3}, "abcdef"));
  const std::string labels = file("labels", gzip(idx({2}, {"\x09\x00", 2})));
  const IdxImages both = read_idx_images(images, labels, 10);
  CHECK(both.images.shape() == Shape{2, 1, 1, 3});
  CHECK(both.labels.to_vector() == std::vector<double>{9, 0});
  CHECK_THROWS_WITH(read_idx_images(images, labels, 9), labels + ": offset 8: expected a label in [0, 9), found 9");
  CHECK_THROWS_WITH(read_idx_images(images, file("many", idx({3}, {"\0\1\2", 3})), 10),
                    scratch / "many" + ": offset 4: expected 2 labels, as many as images in " + images + ", found 3");
  CHECK_THROWS_WITH(read_idx_images(labels, labels, 10),
                    labels + ": offset 3: expected 3 axes (images, rows, columns), found 1");
  CHECK_THROWS_WITH(read_idx_images(scratch / "none", labels, 10),
                    scratch / "none" + ": cannot open: No such file or directory");
  CHECK_THROWS_WITH(read_idx(scratch / "."), scratch / "." + ": expected a regular file, found a directory");
}

}  // namespace weft::data
