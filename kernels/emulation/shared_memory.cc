#include "kernels/emulation/shared_memory.h"

#include <algorithm>
#include <vector>

#include "kernels/emulation/emulation.h"
#include "kernels/emulation/red_zone.h"
#include "kernels/emulation/watch.h"

namespace weft::emulation {
namespace {

constexpr std::size_t kGap = 128, kMostPieces = 64;

struct Piece {
  std::size_t begin, bytes;
  std::size_t end() const { return begin + bytes; }
};

std::vector<std::byte> memory;
std::vector<Piece> pieces;
std::size_t promised = 0, room = 0;

std::size_t rounded(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

std::byte* base() {
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  return memory.data() + ((address + 127) / 128 * 128 - address);
}

}  // namespace

void begin_shared_memory(std::size_t bytes) {
  pieces.clear();
  promised = bytes;
  room = rounded(bytes) + kMostPieces * (kGap + 16) + kGap;
  allow(memory.data(), memory.size());
  if (memory.size() < room + 128) memory.resize(room + 128);
  fill_red_zone(base(), base() + room, 0);
  forbid(memory.data(), memory.size());
}

void* take_shared(int piece, std::size_t bytes, const Where& where) {
  const auto index = static_cast<std::size_t>(piece);
  if (index < pieces.size()) {
    if (pieces[index].bytes != bytes) complain(where, "threads of a block ask for shared arrays of different sizes");
    return base() + pieces[index].begin;
  }
  std::size_t used = rounded(bytes);
  for (const Piece& before : pieces) used += rounded(before.bytes);
  if (used > promised)
    complain(where, "asks for " + std::to_string(used) + " bytes of shared memory, the launch said " +
                        std::to_string(promised));
  const std::size_t begin = pieces.empty() ? kGap : (pieces.back().end() + 15) / 16 * 16 + kGap;
  if (pieces.size() == kMostPieces) complain(where, "more shared arrays than the emulator has room for");
  pieces.push_back({begin, bytes});
  allow(base() + begin, bytes);
  poison(base() + begin, bytes);
  return base() + begin;
}

void check_shared_memory() {
  if (kWatched) return;  // whoever touched a gap has been reported
  std::size_t from = 0;
  for (std::size_t i = 0; i <= pieces.size(); ++i) {
    const std::byte *begin = base() + from, *end = base() + (i < pieces.size() ? pieces[i].begin : room);
    const std::byte* changed = find_change(begin, end, 0);
    if (changed != end)
      complain("wrote " + std::to_string(changed - begin + 1) + " bytes beyond " +
               (i == 0 ? std::string("the beginning of shared memory")
                       : "the end of shared array " + std::to_string(i - 1)));
    if (i < pieces.size()) from = pieces[i].end();
  }
}

}  // namespace weft::emulation
