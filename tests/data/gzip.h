// gzip for tests: a text as the bytes of a .gz file.
#pragma once

#include <zlib.h>

#include <string>

#include "core/error.h"

namespace weft::tests {

inline std::string gzip(const std::string& text) {
  z_stream stream = {};
  constexpr int kGzip = 16 + MAX_WBITS, kMemory = 8;
  ensure(deflateInit2(&stream, 9, Z_DEFLATED, kGzip, kMemory, Z_DEFAULT_STRATEGY) == Z_OK, "zlib refuses to start");
  std::string out(compressBound(text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ensure(deflate(&stream, Z_FINISH) == Z_STREAM_END, "zlib did not finish");
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace weft::tests
