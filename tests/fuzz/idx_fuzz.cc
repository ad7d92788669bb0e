// Any bytes as an idx file, plain or gzipped.
#include "data/idx.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weft::tests::expect_refusal(weft::ErrorKind::data, [&] {
    weft::data::read_idx(weft::ByteSource(weft::tests::as_bytes(data, size), "file"));
  });
  return 0;
}
