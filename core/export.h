// Marks what libweft shows to the outside: everything else is built with hidden visibility.
#pragma once

#if defined(_WIN32)
#error "weft builds on Linux"
#endif

#define WEFT_API __attribute__((visibility("default")))
