// The version of weft, as CMakeLists.txt has it (a test compares them).
#pragma once

namespace weft {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace weft
