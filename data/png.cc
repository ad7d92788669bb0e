// PNG by libpng: every bit depth, palette, grey and alpha to 8-bit RGB; gamma and colour profiles are left alone.
#include "core/error.h"
#include "data/image.h"
#include "data/image_decoders.h"

#if WEFT_HAS_IMAGES
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

namespace weft::data {
namespace {

constexpr png_uint_32 kLongestSide = 1'000'000;
constexpr png_alloc_size_t kLargestChunk = std::size_t{1} << 24;
constexpr png_uint_32 kMostChunks = 1000;

// All state of a decoding, on the heap: the functions that longjmp may leave own nothing.
struct Decoder {
  png_structp library = nullptr;
  png_infop info = nullptr;
  std::span<const std::byte> left;
  char text[200] = {};
  ~Decoder() { png_destroy_read_struct(&library, &info, nullptr); }
};

[[noreturn]] void on_error(png_structp library, png_const_charp text) {
  auto& decoder = *static_cast<Decoder*>(png_get_error_ptr(library));
  std::snprintf(decoder.text, sizeof decoder.text, "%s", text);
  png_longjmp(library, 1);
}
void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp library, png_bytep to, std::size_t bytes) {
  auto& decoder = *static_cast<Decoder*>(png_get_io_ptr(library));
  if (bytes > decoder.left.size()) png_error(library, "the file is cut off");
  std::memcpy(to, decoder.left.data(), bytes);
  decoder.left = decoder.left.subspan(bytes);
}

bool read_header(Decoder& decoder) {
  if (setjmp(png_jmpbuf(decoder.library)) != 0) return false;
  png_set_user_limits(decoder.library, kLongestSide, kLongestSide);
  png_set_chunk_malloc_max(decoder.library, kLargestChunk);
  png_set_chunk_cache_max(decoder.library, kMostChunks);
  png_set_read_fn(decoder.library, &decoder, on_read);
  png_read_info(decoder.library, decoder.info);
  return true;
}

// Asks for 8-bit RGB and reads the picture; the rows point into memory of the caller.
bool read_rows(Decoder& decoder, png_bytepp rows, std::size_t row_bytes) {
  const png_structp library = decoder.library;
  if (setjmp(png_jmpbuf(library)) != 0) return false;
  png_set_strip_16(library);
  png_set_expand(library);
  png_set_strip_alpha(library);
  png_set_gray_to_rgb(library);
  png_set_interlace_handling(library);
  png_read_update_info(library, decoder.info);
  if (png_get_rowbytes(library, decoder.info) != row_bytes) png_error(library, "its pixels cannot be turned into RGB");
  png_read_image(library, rows);
  png_read_end(library, nullptr);
  return true;
}

}  // namespace

bool can_read_images() { return true; }

Tensor decode_png(std::span<const std::byte> bytes, const std::string& file) {
  const auto decoder = std::make_unique<Decoder>();
  decoder->left = bytes;
  decoder->library = png_create_read_struct(PNG_LIBPNG_VER_STRING, decoder.get(), on_error, on_warning);
  if (decoder->library != nullptr) decoder->info = png_create_info_struct(decoder->library);
  ensure(decoder->info != nullptr, "libpng refuses to start");
  const bool good_start = read_header(*decoder);
  require_data(good_start, file, "expected a PNG image, libpng says: ", static_cast<const char*>(decoder->text));
  const png_uint_32 height = png_get_image_height(decoder->library, decoder->info);
  const png_uint_32 width = png_get_image_width(decoder->library, decoder->info);
  check_image_size(height, width, file);
  const Tensor pixels = empty({height, width, 3}, {.dtype = DType::u8});
  const std::size_t row_bytes = std::size_t{width} * 3;
  std::vector<png_bytep> rows(height);
  for (std::size_t i = 0; i < height; ++i) rows[i] = pixels.data<std::uint8_t>() + i * row_bytes;
  const bool good = read_rows(*decoder, rows.data(), row_bytes);
  require_data(good, file, "the PNG image is damaged, libpng says: ", static_cast<const char*>(decoder->text));
  return pixels;
}

}  // namespace weft::data

#else

namespace weft::data {

bool can_read_images() { return false; }

Tensor decode_png(std::span<const std::byte>, const std::string& file) {
  fail(ErrorKind::usage, file, "this weft was built without libjpeg and libpng (tools/install-deps brings both)");
}

}  // namespace weft::data

#endif
