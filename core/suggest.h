// Suggestions for mistyped names: "unknown model 'lenett'; did you mean 'lenet'?".
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/export.h"

namespace weft {

// The known name nearest to the given one (edit distance, a swap of neighbours counting 1); empty when none is near
// enough to be what was meant.
WEFT_API std::string nearest_name(std::string_view name, std::span<const std::string> known);

// "; did you mean 'lenet'?", or "; known: a, b, c" when no name is near.
WEFT_API std::string suggestion(std::string_view name, std::span<const std::string> known);

}  // namespace weft
