// The caching allocator of one device. It takes large segments with cudaMalloc, which is slow and waits for the device,
// and cuts blocks out of them; freed neighbours join again. Memory is ordered by streams: a block goes back to the
// stream it was allocated for, whose later work may use it at once. Work that other streams do on a block must have
// been waited for before it is freed.
#pragma once

#include <cuda_runtime.h>

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "core/runtime/runtime.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

class CachingAllocator final : public Allocator {
 public:
  explicit CachingAllocator(int device) : device_(device) {}

  void* allocate(std::size_t bytes) override;
  void free(void* data, std::size_t bytes) noexcept override;
  MemoryStatistics statistics() const override;
  void reset_peak() override;
  void release_cached() override;

  // Between these two, what is allocated belongs to the graph: it is handed out again to that capture only, until the
  // graph goes, since every replay uses the same addresses. Blocks freed meanwhile are kept as long.
  void begin_capture();
  int end_capture();  // the graph's number
  void release_graph(int graph);

 private:
  struct Block {
    std::byte* data = nullptr;
    std::size_t bytes = 0;  // with the red zones
    std::size_t asked = 0;
    cudaStream_t stream = nullptr;
    int graph = 0;  // 0: none
    bool live = false;
    bool small = false;                          // of a segment for small blocks
    const char* holder = nullptr;                // what was running when it was allocated
    Block *previous = nullptr, *next = nullptr;  // neighbours in the segment
  };
  struct BySize {
    bool operator()(const Block* a, const Block* b) const {
      return a->bytes != b->bytes ? a->bytes < b->bytes : a->data < b->data;
    }
  };
  // Free blocks are kept by stream and graph, small ones (up to 1 MiB) apart from large ones.
  struct PoolKey {
    cudaStream_t stream;
    int graph;
    bool small;
    auto operator<=>(const PoolKey&) const = default;
  };
  using Pool = std::set<Block*, BySize>;

  static bool small(std::size_t bytes) { return bytes <= (std::size_t{1} << 20); }
  PoolKey key(const Block& block) const;
  Block* find(const PoolKey& key, std::size_t bytes);
  Block* new_segment(const PoolKey& key, std::size_t bytes);
  void split(Block* block, std::size_t bytes);
  Block* join(Block* block);
  void give_back(Block* block);
  void release_segments();
  [[noreturn]] void refuse(std::size_t bytes) const;

  int device_;
  mutable std::mutex mutex_;
  MemoryStatistics statistics_;
  std::map<PoolKey, Pool> pools_;
  std::map<void*, Block*> live_;
  std::vector<Block*> retained_;  // freed during the capture, for the graph that is being captured
  std::map<int, std::vector<Block*>> retained_by_graph_;
  int capturing_ = 0, graphs_ = 0;
};

}  // namespace weft::cuda::WEFT_CUDA_BUILD
