#include "kernels/emulation/red_zone.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace weft::emulation {
namespace {

constexpr std::size_t kWords = 4096, kBytes = 2 * kWords;

std::array<std::uint16_t, kWords> draw_words() {
  std::array<std::uint16_t, kWords> words;
  std::uint64_t state = 1;
  for (std::uint16_t& word : words) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    word = static_cast<std::uint16_t>(kRedZoneWord + (state >> 33) % kRedZoneWords);
  }
  return words;
}

// Calls piece(begin, end, what it holds) along the zone. A zone is a stretch of the same long row of words, begun
// elsewhere; words stay at even addresses.
template <typename Piece>
void along(const std::byte* begin, const std::byte* end, std::uint64_t zone, const Piece& piece) {
  static const std::array<std::uint16_t, kWords> words = draw_words();
  const auto* bytes = reinterpret_cast<const std::byte*>(words.data());
  while (begin != end) {
    const std::size_t at = (reinterpret_cast<std::uintptr_t>(begin) + zone * 2 * 1031) % kBytes;
    const auto n = std::min(kBytes - at, static_cast<std::size_t>(end - begin));
    if (!piece(begin, n, bytes + at)) return;
    begin += n;
  }
}

}  // namespace

void fill_red_zone(std::byte* begin, std::byte* end, std::uint64_t zone) {
  along(begin, end, zone, [&](const std::byte* at, std::size_t n, const std::byte* words) {
    std::memcpy(begin + (at - begin), words, n);
    return true;
  });
}

const std::byte* find_change(const std::byte* begin, const std::byte* end, std::uint64_t zone) {
  const std::byte* found = end;
  along(begin, end, zone, [&](const std::byte* at, std::size_t n, const std::byte* words) {
    if (std::memcmp(at, words, n) == 0) return true;
    found = std::mismatch(at, at + n, words).first;
    return false;
  });
  return found;
}

}  // namespace weft::emulation
