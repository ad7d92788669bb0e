#include "core/error.h"

#include <charconv>

namespace weft {
namespace {

// Parts of an error come from files and command lines; control characters in them would break the one line, or paint
// the terminal, so they are shown as \x0a.
std::string one_line(const std::string& text) {
  std::string shown;
  for (const char c : text) {
    constexpr char kDigits[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f)
      shown += c;
    else
      shown += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return shown;
}

}  // namespace

Error::Error(ErrorKind kind, const std::string& text) : std::runtime_error(one_line(text)), kind_(kind) {}
Error::~Error() = default;

Error Error::in_layer(std::string_view layer) const {
  Error error(kind_, names_layer_ ? what() : message(layer, ": ", what()));
  error.names_layer_ = true;
  return error;
}

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
