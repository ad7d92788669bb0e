// Downloads of data sets over HTTP(S): into a temporary file, checked, then renamed, so that an interrupted or altered
// download leaves nothing behind. A build without libcurl or OpenSSL refuses, saying so.
#pragma once

#include <string>
#include <string_view>

#include "core/export.h"

namespace weft::data {

WEFT_API bool can_download();  // whether this build has libcurl and OpenSSL

struct Download {
  std::string address;  // http:// or https://
  std::string path;     // of the file to make, inflated when it comes gzipped; its folder is made too
  std::string sha256;   // in hexadecimal, of the inflated content: mirrors compress differently
};

// Shows a progress bar when standard error is a terminal. Throws Error(data) with one line when the file cannot be had
// or is not what was expected.
WEFT_API void download(const Download& wanted);

// SHA-256 of the content of a file, inflated when gzipped.
WEFT_API std::string content_sha256(const std::string& path);

}  // namespace weft::data
