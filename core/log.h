// Logging: one logger, to standard error, level from WEFT_LOG (trace debug info warn error off; default info).
// spdlog does the work behind this face, so that no header of weft includes it.
#pragma once

#include <string>
#include <string_view>

#include "core/error.h"

namespace weft {

enum class LogLevel : int { trace, debug, info, warn, error, off };

WEFT_API void log_line(LogLevel level, const std::string& text);
WEFT_API bool log_enabled(LogLevel level);
WEFT_API void set_log_level(LogLevel level);

template <typename... Parts>
void log(LogLevel level, const Parts&... parts) {
  if (log_enabled(level)) log_line(level, message(parts...));
}
template <typename... Parts>
void warn(const Parts&... parts) {
  log(LogLevel::warn, parts...);
}

}  // namespace weft
