// Any bytes as a photo: JPEG and PNG. What is accepted has pixels, and can be preprocessed.
#include "data/image.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (!weft::data::can_read_images()) return 0;
  weft::tests::expect_refusal(weft::ErrorKind::data, [&] {
    const weft::Tensor pixels = weft::data::read_image(weft::ByteSource(weft::tests::as_bytes(data, size), "file"));
    if (pixels.rank() != 3 || pixels.size(0) != 3 || pixels.elements() == 0)
      weft::tests::fuzz_failure("a picture without pixels", "");
    weft::data::preprocess(pixels, {.resize = 8, .crop = 8});
  });
  return 0;
}
