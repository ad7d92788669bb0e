#include "core/error.h"

#include <charconv>

namespace weft {

Error::Error(ErrorKind kind, const std::string& text) : std::runtime_error(text), kind_(kind) {}
Error::~Error() = default;

void append_text(std::string& text, double part) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, part).ptr;
  text.append(digits, end);
}

void throw_error(ErrorKind kind, std::string_view where, const std::string& text) {
  throw Error(kind, message(where, ": ", text));
}

void throw_internal(const Here& here) {
  std::string_view file = here.location.file_name();
  for (const std::string_view room : {"/core/", "/kernels/", "/nn/", "/optim/", "/data/", "/train/", "/models/"})
    if (const auto at = file.rfind(room); at != file.npos) file = file.substr(at + 1);
  throw Error(ErrorKind::internal, message(file, ":", here.location.line(), ": ", here.what,
                                           "; this is a mistake in weft, please report it"));
}

}  // namespace weft
