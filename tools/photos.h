// Photos as inputs of a net: decoded, and brought to what the net's weights were trained on, which is known per model
// as data and can be overridden by flags.
#pragma once

#include <string>
#include <vector>

#include "data/image.h"
#include "tools/flags.h"

namespace weft::cli {

class PhotoFlags {
 public:
  explicit PhotoFlags(Flags& flags);
  const std::vector<std::string>& files() const { return files_; }
  // For a net whose inputs are of this shape, (C, S, S). own_run: weights of a run folder, which weft trained on whole
  // images in [0, 1].
  data::Preprocessing preprocessing(const std::string& model, const Shape& input, bool own_run) const;

 private:
  std::vector<std::string> files_;
  std::string recipe_;
  std::int64_t resize_ = 0;
};

// The files from first to last as one batch, f32 (N, C, S, S).
Tensor read_photos(std::span<const std::string> files, const data::Preprocessing& wanted);

}  // namespace weft::cli
