// Weights of other makers for a net of ours. Names that have changed over the years, or differ between libraries, are
// brought to the net's by a table; a head for another number of classes is left as it was initialised, loudly, where
// that is asked for; everything else must fit exactly.
#pragma once

#include <cstdint>
#include <string>

#include "core/named_tensor.h"
#include "nn/module.h"

namespace weft::models {

// The tensors under the net's names. Only names that the net lacks change, and only to one that it has and the file
// lacks. Tensors of auxiliary heads that the net was built without are left out. What was done is said in the log,
// which starts with `file`.
WEFT_API NamedTensors adapt_names(nn::Module& net, const NamedTensors& given, const std::string& file);

enum class Head : std::uint8_t {
  must_fit,
  replaced,  // one of another number of classes is not loaded: a warning, and the net keeps its initial values
};
// Loads adapted weights; Error(usage) with the three lists, changing nothing, when they do not fit. classes: of the
// net, by which its head is known.
WEFT_API void load_weights(nn::Module& net, const NamedTensors& given, const std::string& file, std::int64_t classes,
                           Head head = Head::must_fit);

}  // namespace weft::models
