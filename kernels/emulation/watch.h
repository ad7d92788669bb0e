// Tells AddressSanitizer, where it is compiled in, which memory may be touched; does nothing elsewhere.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

namespace weft::emulation {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kWatched = true;
inline void forbid(const void* data, std::size_t bytes) { __asan_poison_memory_region(data, bytes); }
inline void allow(const void* data, std::size_t bytes) { __asan_unpoison_memory_region(data, bytes); }
#else
inline constexpr bool kWatched = false;
inline void forbid(const void*, std::size_t) {}
inline void allow(const void*, std::size_t) {}
#endif

}  // namespace weft::emulation
