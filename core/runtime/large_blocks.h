// LargeBlocks: where the CPU's allocator has blocks of a mebibyte and more from. Freed ones are kept for the next
// request of their size; when there is none, all that is kept joins to ranges from which other sizes are cut, before
// the system is asked for more. Not for several threads at once: the allocator holds its lock.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/export.h"

namespace weft {

class WEFT_API LargeBlocks {
 public:
  static constexpr std::size_t kLeast = std::size_t{1} << 20;
  static constexpr std::size_t kUnit = std::size_t{64} << 10;  // blocks are multiples of this
  static std::size_t rounded(std::size_t bytes) { return (bytes + kUnit - 1) / kUnit * kUnit; }

  LargeBlocks() = default;
  LargeBlocks(const LargeBlocks&) = delete;
  LargeBlocks& operator=(const LargeBlocks&) = delete;
  ~LargeBlocks() { release(); }

  // Memory for that many bytes, aligned to 64 at least; null where the system has none left.
  void* take(std::size_t bytes);
  void give_back(void* data, std::size_t bytes) noexcept;
  void release();  // what is kept, to the system
  std::size_t reserved_bytes() const { return reserved_; }

 private:
  std::byte* from_kept(std::size_t bytes);
  std::byte* from_system(std::size_t bytes);
  void join_kept();
  void insert(std::byte* data, std::size_t bytes);
  void erase(std::map<std::byte*, std::size_t>::iterator range);

  std::size_t reserved_ = 0;                              // taken from the system
  std::map<std::size_t, std::vector<std::byte*>> kept_;   // by size, the last freed at the end
  std::map<std::byte*, std::size_t> ranges_;              // free memory by address; neighbours are joined
  std::set<std::pair<std::size_t, std::byte*>> by_size_;  // the same
};

}  // namespace weft
