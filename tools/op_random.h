// Rows of the op table with other sizes, drawn by a seed: for `weft selftest --random`, which looks where nobody looked
// when the rows were written. Sizes that are equal in a row stay equal, so that operands go on fitting.
#pragma once

#include <cstdint>
#include <optional>

#include "tools/op_cases/op_case.h"

namespace weft::tools {

// The row with some sizes larger; nothing where its attributes allow no others that were drawn.
std::optional<OpCase> with_other_sizes(const OpCase& row, std::uint64_t seed);

}  // namespace weft::tools
