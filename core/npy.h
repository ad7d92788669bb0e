// .npy: one array in a file, as NumPy writes it (numpy.lib.format, versions 1 to 3). Reads f2 f4 f8 i4 i8 u1 b1 of
// either byte order, in C or Fortran order; writes version 1 in C order. bf16 has no .npy name and is refused: convert
// with .to(f32). Python objects are never read. Whatever is wrong with a file is Error(data) naming it.
#pragma once

#include <string>

#include "core/file.h"
#include "core/tensor.h"

namespace weft {

WEFT_API Tensor read_npy(const std::string& path);  // on the CPU, contiguous
WEFT_API Tensor read_npy(const ByteSource& source);
// Writes the file whole or not at all.
WEFT_API void write_npy(const std::string& path, const Tensor& x);

}  // namespace weft
