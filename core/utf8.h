// Whether bytes are text: file formats of weft (TOML, JSON, safetensors) hold UTF-8 and nothing else.
#pragma once

#include <string_view>

#include "core/export.h"

namespace weft {

// Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
WEFT_API bool is_utf8(std::string_view text);

}  // namespace weft
