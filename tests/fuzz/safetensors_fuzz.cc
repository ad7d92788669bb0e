// Any bytes as a safetensors file: what is accepted must cover the file without holes.
#include "core/safetensors.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using weft::SafetensorsFile;
  weft::tests::expect_refusal(weft::ErrorKind::data, [&] {
    const SafetensorsFile file(weft::ByteSource(weft::tests::as_bytes(data, size), "file"));
    std::uint64_t bytes = 0;
    for (const SafetensorsFile::Entry& entry : file.entries()) {
      const weft::Tensor tensor = file.read(entry);
      if (tensor.bytes() != entry.bytes) weft::tests::fuzz_failure("a tensor of another size", entry.name);
      bytes += entry.bytes;
    }
    if (bytes > size) weft::tests::fuzz_failure("more data than the file has", "");
  });
  return 0;
}
