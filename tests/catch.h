// Catch2, version 2 (Debian 12) or 3 (Ubuntu 24.04), behind one include.
#pragma once

#include <string>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
inline auto contains(const std::string& text) { return Catch::Matchers::ContainsSubstring(text); }
#else
#include <catch2/catch.hpp>
// A matcher: CHECK_THROWS_WITH(call(), contains("did you mean")).
inline auto contains(const std::string& text) { return Catch::Contains(text); }
#endif
