// idx files, plain or gzipped, of unsigned bytes: the format of MNIST and Fashion-MNIST
// (https://yann.lecun.com/exdb/mnist: 0, 0, type, rank, then big-endian sizes, then the values).
// Whatever is wrong is Error(data) naming the file, the offset in the uncompressed data, and what was expected.
#pragma once

#include <string>

#include "core/file.h"
#include "core/tensor.h"

namespace weft::data {

// u8, in the shape the file states.
WEFT_API Tensor read_idx(const std::string& path);
WEFT_API Tensor read_idx(ByteSource file);

// images u8 (N, H, W) and labels (N) of two idx files as i64, checked against each other and against the classes.
struct IdxImages {
  Tensor images;  // u8 (N, 1, H, W)
  Tensor labels;  // i64 (N)
};
WEFT_API IdxImages read_idx_images(const std::string& images_path, const std::string& labels_path, int classes);

}  // namespace weft::data
