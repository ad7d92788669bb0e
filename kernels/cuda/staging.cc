#include "kernels/cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "kernels/cuda/check.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

void Staging::upload(void* to, const void* from, std::size_t bytes, cudaStream_t stream) {
  const std::lock_guard lock(mutex_);
  for (std::size_t done = 0; done < bytes;) {
    Buffer& buffer = ring_[next_];
    next_ = (next_ + 1) % ring_.size();
    if (!buffer.data) {
      check(cudaHostAlloc(&buffer.data, kBufferBytes, cudaHostAllocDefault), "pinned memory for copies");
      check(cudaEventCreateWithFlags(&buffer.copied, cudaEventDisableTiming), "cudaEventCreate");
    }
    check(cudaEventSynchronize(buffer.copied), "a copy to the device");
    const std::size_t count = std::min(bytes - done, kBufferBytes);
    std::memcpy(buffer.data, static_cast<const std::byte*>(from) + done, count);
    check(cudaMemcpyAsync(static_cast<std::byte*>(to) + done, buffer.data, count, cudaMemcpyHostToDevice, stream),
          "copy of ", count, " bytes to the device");
    check(cudaEventRecord(buffer.copied, stream), "a copy to the device while a graph is captured");
    done += count;
  }
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
