// Any bytes as a .npy file.
#include "core/npy.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weft::tests::expect_refusal(weft::ErrorKind::data, [&] {
    const weft::Tensor x = weft::read_npy(weft::ByteSource(weft::tests::as_bytes(data, size), "file"));
    if (x.bytes() > size) weft::tests::fuzz_failure("more data than the file has", to_string(x.shape()));
  });
  return 0;
}
