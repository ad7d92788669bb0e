// Any bytes as a .pth file, in both formats. What is accepted must not be larger than the file allows.
#include "core/pth.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weft::tests::expect_refusal(weft::ErrorKind::data, [&] {
    const weft::ByteSource source(weft::tests::as_bytes(data, size), "file");
    std::uint64_t bytes = 0;
    for (const weft::NamedTensor& entry : weft::read_pth(source)) bytes += entry.tensor.bytes();
    if (bytes / 16 > size) weft::tests::fuzz_failure("more data than the file allows", "");
  });
  return 0;
}
