// Red zones: what lies around each allocation, and between shared arrays, of the emulated device. They hold NaNs of
// every floating type in an order that is different in each zone, so that a write shows in them, also of what was read
// from another zone, and a read shows in whatever was computed from it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::emulation {

// Words are kRedZoneWord … kRedZoneWord + kRedZoneWords - 1: neither poison nor part of -1.
inline constexpr std::uint16_t kRedZoneWord = 0xFFF0, kRedZoneWords = 13;

void fill_red_zone(std::byte* begin, std::byte* end, std::uint64_t zone);
// The first byte that is not what fill_red_zone left there, or end.
const std::byte* find_change(const std::byte* begin, const std::byte* end, std::uint64_t zone);

// Throws when somebody wrote before or behind the allocation that begins at this address.
void check_red_zones(const void* data);

}  // namespace weft::emulation
