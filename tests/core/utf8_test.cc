#include "core/utf8.h"

#include <string>

#include "tests/catch.h"

namespace weft {

TEST_CASE("every code point in its shortest form is UTF-8, surrogates and other forms are not") {
  int accepted = 0, wrong = 0;
  for (unsigned code = 0; code <= 0x1fffff; ++code) {
    std::string text;
    if (code < 0x80)
      text = std::string(1, static_cast<char>(code));
    else if (code < 0x800)
      text = {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
    else if (code < 0x10000)
      text = {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 63)),
              static_cast<char>(0x80 | (code & 63))};
    else
      text = {static_cast<char>(0xf0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 63)),
              static_cast<char>(0x80 | (code >> 6 & 63)), static_cast<char>(0x80 | (code & 63))};
    accepted += is_utf8(text);
    if (code < 0xd800) wrong += !is_utf8("a" + text + "b");
    if (text.size() > 1) wrong += is_utf8(text.substr(0, text.size() - 1));
  }
  CHECK(accepted == 0x110000 - 0x800);
  CHECK(wrong == 0);
  for (const char* bad : {"\x80", "\xff", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf",
                          "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xed\xa0\x80", "\xc3(", "\xe2\x82"})
    CHECK(!is_utf8(bad));
  CHECK(is_utf8(""));
}

}  // namespace weft
