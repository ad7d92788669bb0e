#include "core/runtime/large_blocks.h"

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>

#include <cstdint>
#include <iterator>
#include <limits>

namespace weft {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

void* LargeBlocks::take(std::size_t bytes) {
  if (bytes > std::numeric_limits<std::size_t>::max() / 2) return nullptr;  // its sums would not fit
  const std::size_t whole = rounded(bytes);
  std::byte* data = from_kept(whole);
  if (!data) {
    join_kept();
    if (const auto fit = by_size_.lower_bound({whole, nullptr}); fit != by_size_.end()) {
      const auto [size, place] = *fit;
      erase(ranges_.find(place));
      if (size > whole) insert(place + whole, size - whole);
      data = place;
    } else {
      data = from_system(whole);
    }
  }
  if (data) ASAN_UNPOISON_MEMORY_REGION(data, bytes);
  return data;
}

void LargeBlocks::give_back(void* data, std::size_t bytes) noexcept {
  const std::size_t whole = rounded(bytes);
  ASAN_POISON_MEMORY_REGION(data, whole);
  try {
    kept_[whole].push_back(static_cast<std::byte*>(data));
  } catch (...) {  // no room even to remember it
    ASAN_UNPOISON_MEMORY_REGION(data, whole);
    ::munmap(data, whole);
    reserved_ -= whole;
  }
}

void LargeBlocks::release() {
  join_kept();
  for (const auto& [data, bytes] : ranges_) {
    ASAN_UNPOISON_MEMORY_REGION(data, bytes);
    ::munmap(data, bytes);
    reserved_ -= bytes;
  }
  ranges_.clear();
  by_size_.clear();
}

// The last one that was freed: its pages are the warmest.
std::byte* LargeBlocks::from_kept(std::size_t bytes) {
  const auto found = kept_.find(bytes);
  if (found == kept_.end() || found->second.empty()) return nullptr;
  std::byte* data = found->second.back();
  found->second.pop_back();
  return data;
}

// Whole huge pages on their boundaries; what the request leaves over is kept.
std::byte* LargeBlocks::from_system(std::size_t bytes) {
  const std::size_t size = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* const mapped = ::mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::byte*>(mapped);
  const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(begin) % kHugePage) % kHugePage;
  if (before > 0) ::munmap(begin, before);
  if (before < kHugePage) ::munmap(begin + before + size, kHugePage - before);
  std::byte* const data = begin + before;
  ::madvise(data, size, MADV_HUGEPAGE);
  reserved_ += size;
  ASAN_POISON_MEMORY_REGION(data, size);
  if (size > bytes) insert(data + bytes, size - bytes);
  return data;
}

void LargeBlocks::join_kept() {
  for (auto& [bytes, blocks] : kept_)
    for (std::byte* data : blocks) insert(data, bytes);
  kept_.clear();
}

void LargeBlocks::insert(std::byte* data, std::size_t bytes) {
  auto next = ranges_.lower_bound(data);
  if (next != ranges_.end() && data + bytes == next->first) {
    bytes += next->second;
    const auto joined = next++;
    erase(joined);
  }
  if (next != ranges_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == data) {
      data = previous->first;
      bytes += previous->second;
      erase(previous);
    }
  }
  ranges_.emplace(data, bytes);
  by_size_.emplace(bytes, data);
}

void LargeBlocks::erase(std::map<std::byte*, std::size_t>::iterator range) {
  by_size_.erase({range->second, range->first});
  ranges_.erase(range);
}

}  // namespace weft
