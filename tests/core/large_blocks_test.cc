#include "core/runtime/large_blocks.h"

#include <cstdint>

#include "tests/catch.h"

using namespace weft;

TEST_CASE("large blocks are kept, cut and joined before the system is asked for more") {
  constexpr std::size_t kMiB = std::size_t{1} << 20;
  LargeBlocks blocks;
  void* const whole = blocks.take(64 * kMiB);
  CHECK(reinterpret_cast<std::uintptr_t>(whole) % 64 == 0);
  const std::size_t reserved = blocks.reserved_bytes();
  CHECK(reserved == 64 * kMiB);
  blocks.give_back(whole, 64 * kMiB);
  CHECK(blocks.take(64 * kMiB) == whole);  // of its size
  blocks.give_back(whole, 64 * kMiB);

  std::byte* const first = static_cast<std::byte*>(blocks.take(20 * kMiB - 5));
  std::byte* const second = static_cast<std::byte*>(blocks.take(30 * kMiB));
  CHECK(second == first + 20 * kMiB);  // cut from the one that was freed
  first[20 * kMiB - 6] = second[30 * kMiB - 1] = std::byte{7};
  blocks.give_back(first, 20 * kMiB - 5);
  blocks.give_back(second, 30 * kMiB);
  CHECK(blocks.take(64 * kMiB - 100) == whole);  // joined with what was left over
  CHECK(blocks.reserved_bytes() == reserved);

  void* const more = blocks.take(3 * kMiB);
  CHECK(blocks.reserved_bytes() == reserved + 4 * kMiB);  // whole huge pages
  blocks.give_back(more, 3 * kMiB);
  blocks.give_back(whole, 64 * kMiB - 100);
  blocks.release();
  CHECK(blocks.reserved_bytes() == 0);
  CHECK(blocks.take(~std::size_t{0} / 2 - kMiB) == nullptr);
}
