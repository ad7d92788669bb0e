// JPEG by libjpeg(-turbo): accurate integer DCT and smooth upsampling, its defaults, which Pillow keeps as well.
#include "core/error.h"
#include "data/image_decoders.h"

#if WEFT_HAS_IMAGES
#include <jpeglib.h>
// After it: it needs the library's types.
#include <jerror.h>

#include <csetjmp>
#include <cstdio>
#include <memory>
#include <vector>

namespace weft::data {
namespace {

constexpr int kMostScans = 200;  // of a progressive image; cameras and programs write about 10

// All state of a decoding, on the heap: the functions that longjmp may leave own nothing.
struct Decoder {
  jpeg_decompress_struct library = {};
  jpeg_error_mgr errors = {};
  jpeg_progress_mgr progress = {};
  std::jmp_buf back = {};
  char text[JMSG_LENGTH_MAX] = {};
  bool made = false;
  ~Decoder() {
    if (made) jpeg_destroy_decompress(&library);
  }
};

Decoder& decoder_of(j_common_ptr library) { return *static_cast<Decoder*>(library->client_data); }

[[noreturn]] void give_up(j_common_ptr library) {
  Decoder& decoder = decoder_of(library);
  library->err->format_message(library, decoder.text);
  std::longjmp(decoder.back, 1);
}

// Warnings are about damaged data, but for these, which healthy files of some programs cause.
void on_message(j_common_ptr library, int level) {
  const int code = library->err->msg_code;
  const bool harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR;
  if (level < 0 && !harmless) give_up(library);
}

void on_progress(j_common_ptr library) {
  Decoder& decoder = decoder_of(library);
  if (decoder.library.input_scan_number <= kMostScans) return;
  std::snprintf(decoder.text, sizeof decoder.text, "more than %d scans", kMostScans);
  std::longjmp(decoder.back, 1);
}

bool read_header(Decoder& decoder, const unsigned char* bytes, unsigned long size) {
  jpeg_decompress_struct& library = decoder.library;
  library.err = jpeg_std_error(&decoder.errors);
  decoder.errors.error_exit = give_up;
  decoder.errors.emit_message = on_message;
  library.client_data = &decoder;
  if (setjmp(decoder.back) != 0) return false;
  jpeg_create_decompress(&library);
  decoder.made = true;
  decoder.progress.progress_monitor = on_progress;
  library.progress = &decoder.progress;
  jpeg_mem_src(&library, bytes, size);
  jpeg_read_header(&library, TRUE);
  library.out_color_space = library.num_components == 1   ? JCS_GRAYSCALE
                            : library.num_components == 4 ? JCS_CMYK
                                                          : JCS_RGB;
  return true;
}

std::uint8_t product(unsigned a, unsigned b) {  // a * b / 255, rounded
  const unsigned t = a * b + 128;
  return static_cast<std::uint8_t>((t + (t >> 8)) >> 8);
}

// One row of `channels` bytes a pixel to RGB. Files hold CMYK inverted, as Adobe's programs write it: 255 is no ink.
void to_rgb(const std::uint8_t* x, int channels, std::int64_t width, std::uint8_t* rgb) {
  for (std::int64_t i = 0; i < width; ++i, x += channels, rgb += 3) {
    for (int c = 0; c < 3; ++c) rgb[c] = channels == 1 ? x[0] : channels == 3 ? x[c] : product(x[c], x[3]);
  }
}

bool read_rows(Decoder& decoder, std::uint8_t* row, std::uint8_t* rgb) {
  jpeg_decompress_struct& library = decoder.library;
  if (setjmp(decoder.back) != 0) return false;
  jpeg_start_decompress(&library);
  while (library.output_scanline < library.output_height) {
    const std::int64_t at = library.output_scanline;
    jpeg_read_scanlines(&library, &row, 1);
    to_rgb(row, library.output_components, library.output_width, rgb + at * library.output_width * 3);
  }
  jpeg_finish_decompress(&library);
  return true;
}

}  // namespace

Tensor decode_jpeg(std::span<const std::byte> bytes, const std::string& file) {
  const auto decoder = std::make_unique<Decoder>();
  const bool good_start = read_header(*decoder, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  require_data(good_start, file, "expected a JPEG image, libjpeg says: ", static_cast<const char*>(decoder->text));
  const jpeg_decompress_struct& library = decoder->library;
  check_image_size(library.image_height, library.image_width, file);
  const int channels = library.num_components;
  require_data(channels == 1 || channels == 3 || channels == 4, file, "a JPEG image of ", channels,
               " channels; weft reads grey, colour and CMYK");
  const Tensor pixels = empty({library.image_height, library.image_width, 3}, {.dtype = DType::u8});
  std::vector<std::uint8_t> row(static_cast<std::size_t>(library.image_width) * static_cast<std::size_t>(channels));
  const bool good = read_rows(*decoder, row.data(), pixels.data<std::uint8_t>());
  require_data(good, file, "the JPEG image is damaged, libjpeg says: ", static_cast<const char*>(decoder->text));
  return pixels;
}

}  // namespace weft::data

#else

namespace weft::data {

Tensor decode_jpeg(std::span<const std::byte>, const std::string& file) {
  fail(ErrorKind::usage, file, "this weft was built without libjpeg and libpng (tools/install-deps brings both)");
}

}  // namespace weft::data

#endif
