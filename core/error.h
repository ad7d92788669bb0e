// Errors: how weft says what was wrong, where, and what to do. The text is one lower-case line,
// "op: what was needed, what came", and the kind decides the exit code of the program. The library
// never prints and exits, and never returns status codes.
#pragma once

#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/export.h"

namespace weft {

// Each value is the exit code of the program (see README).
enum class ErrorKind : int { internal = 1, usage = 2, data = 3, out_of_memory = 4, diverged = 5, peer = 6 };

class WEFT_API Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& text);
  ~Error() override;
  ErrorKind kind() const { return kind_; }
  // The same error with the layer that was running in front; one that names a layer already stays as it is.
  Error in_layer(std::string_view layer) const;

 private:
  ErrorKind kind_;
  bool names_layer_ = false;
};

// How one part of a message is written. Types outside core join in with a to_string(value) of their own.
inline void append_text(std::string& text, std::string_view part) { text += part; }
inline void append_text(std::string& text, const char* part) { text += part; }
inline void append_text(std::string& text, const std::string& part) { text += part; }
inline void append_text(std::string& text, char part) { text += part; }
inline void append_text(std::string& text, bool part) { text += part ? "true" : "false"; }
WEFT_API void append_text(std::string& text, double part);
template <typename T>
  requires std::is_integral_v<T>
void append_text(std::string& text, T part) {
  text += std::to_string(part);
}
template <typename T>
  requires std::is_class_v<T> || std::is_enum_v<T>
void append_text(std::string& text, const T& part) {
  text += to_string(part);
}

// All parts in one string: message("x has ", 3, " channels").
template <typename... Parts>
std::string message(const Parts&... parts) {
  std::string text;
  (append_text(text, parts), ...);
  return text;
}

[[noreturn]] WEFT_API void throw_error(ErrorKind kind, std::string_view where, const std::string& text);

template <typename... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail(ErrorKind kind, std::string_view where, const Parts&... parts) {
  throw_error(kind, where, message(parts...));
}

// A caller's mistake unless condition holds: require(x.rank() == 2, "linear", "x must be (N, in), not ", x.shape()).
template <typename... Parts>
constexpr void require(bool condition, std::string_view op, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail(ErrorKind::usage, op, parts...);
}

// Bad bytes in a file or on a socket unless condition holds; `where` names the file.
template <typename... Parts>
void require_data(bool condition, std::string_view where, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail(ErrorKind::data, where, parts...);
}

// Our own mistake unless condition holds; the text carries file and line.
struct Here {
  std::string_view what;
  std::source_location location;
  // NOLINTNEXTLINE(google-explicit-constructor): lets ensure(c, "text") record its caller.
  constexpr Here(const char* text, std::source_location at = std::source_location::current())
      : what(text), location(at) {}
};
[[noreturn]] WEFT_API void throw_internal(const Here& here);
inline void ensure(bool condition, Here here) {
  if (!condition) [[unlikely]]
    throw_internal(here);
}

}  // namespace weft
