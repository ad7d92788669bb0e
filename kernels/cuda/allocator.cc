#include "kernels/cuda/allocator.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/profile.h"
#include "kernels/cuda/check.h"
#include "kernels/cuda/marks.h"
#include "kernels/cuda/streams.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

constexpr std::size_t kUnit = 512;                            // blocks are multiples of this
constexpr std::size_t kSmallSegment = std::size_t{2} << 20;   // for blocks of at most 1 MiB
constexpr std::size_t kLargeSegment = std::size_t{32} << 20;  // for blocks of at most 16 MiB
constexpr std::size_t kLargest = std::size_t{16} << 20;       // beyond, a block has a segment of its own

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

double mebibytes(std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

// A thread that records a graph may not allocate, since no replay would do it again, unless it says that none needs to:
// what a graph uses stays allocated as long as the graph is there.
class AllocatingWhileRecording {
 public:
  AllocatingWhileRecording() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  ~AllocatingWhileRecording() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  AllocatingWhileRecording(const AllocatingWhileRecording&) = delete;
  AllocatingWhileRecording& operator=(const AllocatingWhileRecording&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;  // then the one before
};

}  // namespace

CachingAllocator::PoolKey CachingAllocator::key(const Block& block) const {
  return {block.stream, block.graph, block.small};
}

void* CachingAllocator::allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  const std::lock_guard lock(mutex_);
  const cudaStream_t stream = current_stream(device_);
  const std::size_t whole = round_up(bytes + 2 * kRedZone, kUnit);
  const PoolKey wanted{stream, capturing_, small(whole)};
  Block* block = find(wanted, whole);
  if (!block) block = new_segment(wanted, whole);
  if (!block && capturing_ == 0) {  // nothing may be given back while a graph is recorded
    release_segments();
    block = new_segment(wanted, whole);
  }
  if (!block) refuse(bytes);
  split(block, whole);
  block->live = true;
  block->asked = bytes;
  block->holder = current_layer();
  void* data = block->data + kRedZone;
  live_[data] = block;
  ++statistics_.allocations;
  statistics_.live_bytes += block->bytes;
  statistics_.peak_bytes = std::max(statistics_.peak_bytes, statistics_.live_bytes);
  handed_out(block->data, bytes, block->bytes, stream, block->graph != 0);
  return data;
}

void CachingAllocator::free(void* data, std::size_t) noexcept {
  if (!data) return;
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(data);
  if (found == live_.end()) return;
  Block* block = found->second;
  live_.erase(found);
  statistics_.live_bytes -= block->bytes;
  block->live = false;
  if (capturing_ != 0 && block->graph != capturing_) {
    retained_.push_back(block);  // the graph's work may read it at every replay
    return;
  }
  give_back(block);
}

// To the pool, joined with its free neighbours.
void CachingAllocator::give_back(Block* block) {
  taken_back(block->data, block->bytes, block->stream, block->graph != 0 && block->graph == capturing_);
  block = join(block);
  pools_[key(*block)].insert(block);
}

// The smallest block that is large enough, taken out of the pool. Large requests do not take what wastes half of it.
CachingAllocator::Block* CachingAllocator::find(const PoolKey& key, std::size_t bytes) {
  const auto pool = pools_.find(key);
  if (pool == pools_.end()) return nullptr;
  Block wanted;
  wanted.bytes = bytes;
  const auto found = pool->second.lower_bound(&wanted);
  if (found == pool->second.end()) return nullptr;
  Block* block = *found;
  if (bytes > kLargest && block->bytes > 2 * bytes) return nullptr;
  pool->second.erase(found);
  return block;
}

CachingAllocator::Block* CachingAllocator::new_segment(const PoolKey& key, std::size_t bytes) {
  const std::size_t size =
      key.small ? kSmallSegment : (bytes <= kLargest ? kLargeSegment : round_up(bytes, std::size_t{2} << 20));
  void* data = nullptr;
  const AllocatingWhileRecording allowed;
  cudaSetDevice(device_);
  if (cudaMalloc(&data, size) != cudaSuccess) {
    cudaGetLastError();
    return nullptr;
  }
  statistics_.reserved_bytes += size;
  auto* block = new Block;
  block->data = static_cast<std::byte*>(data);
  block->bytes = size;
  block->stream = key.stream;
  block->graph = key.graph;
  block->small = key.small;
  return block;
}

// Cuts what the request does not need off the block and keeps it, unless it is too little to serve its own pool.
void CachingAllocator::split(Block* block, std::size_t bytes) {
  const std::size_t rest = block->bytes - bytes;
  if (rest < (block->small ? kUnit : (std::size_t{1} << 20))) return;
  auto* tail = new Block(*block);
  tail->data = block->data + bytes;
  tail->bytes = rest;
  tail->live = false;
  tail->previous = block;
  if (tail->next) tail->next->previous = tail;
  block->next = tail;
  block->bytes = bytes;
  pools_[key(*tail)].insert(tail);
}

CachingAllocator::Block* CachingAllocator::join(Block* block) {
  const auto free_neighbour = [&](Block* other) {
    if (!other || other->live) return false;
    const auto pool = pools_.find(key(*other));
    return pool != pools_.end() && pool->second.erase(other) == 1;  // a retained block is in no pool
  };
  if (Block* next = block->next; free_neighbour(next)) {
    block->bytes += next->bytes;
    block->next = next->next;
    if (block->next) block->next->previous = block;
    delete next;
  }
  if (Block* previous = block->previous; free_neighbour(previous)) {
    previous->bytes += block->bytes;
    previous->next = block->next;
    if (previous->next) previous->next->previous = previous;
    delete block;
    block = previous;
  }
  return block;
}

void CachingAllocator::release_segments() {
  for (auto& [pool_key, pool] : pools_) {
    if (pool_key.graph != 0) continue;
    for (auto at = pool.begin(); at != pool.end();) {
      Block* block = *at;
      if (block->previous || block->next) {
        ++at;
        continue;
      }
      if (cudaFree(block->data) != cudaSuccess) {
        cudaGetLastError();
        ++at;
        continue;
      }
      statistics_.reserved_bytes -= block->bytes;
      at = pool.erase(at);
      delete block;
    }
  }
}

// Names who holds the memory: the sums by what was running when it was allocated, largest first.
void CachingAllocator::refuse(std::size_t bytes) const {
  struct Holder {
    std::size_t bytes = 0, blocks = 0;
  };
  std::map<std::string, Holder> by_name;
  for (const auto& [data, block] : live_) {
    Holder& holder = by_name[block->holder];
    holder.bytes += block->bytes;
    ++holder.blocks;
  }
  std::vector<std::pair<std::string, Holder>> holders(by_name.begin(), by_name.end());
  std::sort(holders.begin(), holders.end(),
            [](const auto& a, const auto& b) { return a.second.bytes > b.second.bytes; });
  std::string list;
  for (std::size_t i = 0; i < std::min<std::size_t>(5, holders.size()); ++i)
    list += message(i == 0 ? "" : ", ", holders[i].first, " ", mebibytes(holders[i].second.bytes), " MiB in ",
                    holders[i].second.blocks, " blocks");
  std::size_t free_bytes = 0, total_bytes = 0;
  cudaMemGetInfo(&free_bytes, &total_bytes);
  fail(ErrorKind::out_of_memory, "allocate", "no room for ", mebibytes(bytes), " MiB on ",
       Device{kThisDevice, static_cast<std::int8_t>(device_)}, " (", mebibytes(free_bytes), " of ",
       mebibytes(total_bytes), " MiB free, weft holds ", mebibytes(statistics_.live_bytes), ", peak ",
       mebibytes(statistics_.peak_bytes), "); largest holders: ", list.empty() ? "none" : list,
       "; use a smaller batch");
}

MemoryStatistics CachingAllocator::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}
void CachingAllocator::reset_peak() {
  const std::lock_guard lock(mutex_);
  statistics_.peak_bytes = statistics_.live_bytes;
}
void CachingAllocator::release_cached() {
  const std::lock_guard lock(mutex_);
  if (capturing_ == 0) release_segments();
}

void CachingAllocator::begin_capture() {
  const std::lock_guard lock(mutex_);
  capturing_ = ++graphs_;
}
int CachingAllocator::end_capture() {
  const std::lock_guard lock(mutex_);
  retained_by_graph_[capturing_] = std::exchange(retained_, {});
  return std::exchange(capturing_, 0);
}

// The graph's segments become ordinary memory; blocks of it that are still live, or kept for another graph, follow when
// they are freed.
void CachingAllocator::release_graph(int graph) {
  const std::lock_guard lock(mutex_);
  for (const auto& [data, block] : live_)
    if (block->graph == graph) block->graph = 0;
  for (const auto& [other, blocks] : retained_by_graph_)
    for (Block* block : blocks)
      if (block->graph == graph) block->graph = 0;
  std::vector<Block*> freed;
  for (auto& [pool_key, pool] : pools_) {
    if (pool_key.graph != graph) continue;
    freed.insert(freed.end(), pool.begin(), pool.end());
    pool.clear();
  }
  for (Block* block : freed) {
    block->graph = 0;
    pools_[key(*block)].insert(block);
  }
  for (Block* block : retained_by_graph_[graph]) give_back(block);
  retained_by_graph_.erase(graph);
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
