// What the fuzz targets share. A target takes any bytes; it may refuse them with an Error of the expected kind in one
// line, and nothing else: another exception, a crash or a sanitizer's finding is what the fuzzer is looking for.
// Built with -DWEFT_FUZZ=ON (clang) a target is a libFuzzer program; otherwise it replays files, see replay.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace weft::tests {

[[noreturn]] inline void fuzz_failure(const char* what, std::string_view detail) {
  std::fprintf(stderr, "fuzz: %s: %.*s\n", what, static_cast<int>(detail.size()), detail.data());
  std::abort();
}

// Runs the body; an Error must be of this kind and one line.
template <typename Body>
void expect_refusal(ErrorKind kind, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    if (error.kind() != kind) fuzz_failure("an error of another kind", error.what());
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) {
      fuzz_failure("an error of several lines", error.what());
    }
  }
}

inline std::span<const std::byte> as_bytes(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}

}  // namespace weft::tests
