#include "core/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>

namespace weft {
namespace {

spdlog::level::level_enum level_from_environment() {
  const char* text = std::getenv("WEFT_LOG");
  constexpr const char* names[] = {"trace", "debug", "info", "warn", "error", "off"};
  constexpr spdlog::level::level_enum levels[] = {spdlog::level::trace, spdlog::level::debug, spdlog::level::info,
                                                  spdlog::level::warn,  spdlog::level::err,   spdlog::level::off};
  if (text)
    for (int i = 0; i < 6; ++i)
      if (std::string_view(text) == names[i]) return levels[i];
  return spdlog::level::info;
}

spdlog::logger& logger() {
  // Colour follows the terminal and NO_COLOR (https://no-color.org).
  static spdlog::logger instance = [] {
    const auto mode = std::getenv("NO_COLOR") ? spdlog::color_mode::never : spdlog::color_mode::automatic;
    spdlog::logger made("weft", std::make_shared<spdlog::sinks::stderr_color_sink_mt>(mode));
    made.set_pattern("%n: %^%l%$: %v");
    made.set_level(level_from_environment());
    return made;
  }();
  return instance;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  return level == LogLevel::off ? spdlog::level::off : static_cast<spdlog::level::level_enum>(static_cast<int>(level));
}

}  // namespace

void log_line(LogLevel level, const std::string& text) { logger().log(spdlog_level(level), "{}", text); }
bool log_enabled(LogLevel level) { return logger().should_log(spdlog_level(level)); }
void set_log_level(LogLevel level) { logger().set_level(spdlog_level(level)); }

}  // namespace weft
