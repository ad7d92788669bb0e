#include "kernels/cuda/staging.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstring>

#include "kernels/cuda/check.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

void Staging::upload(void* to, const void* from, std::size_t bytes, cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream, &status), "a copy to the device");
  require(status == cudaStreamCaptureStatusNone, "copy", "host memory cannot be copied to the device while a graph is ",
          "captured, as replays would not see what it holds then; copy before");
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
    check(cudaEventRecord(buffer.copied, stream), "a copy to the device");
    done += count;
  }
}

}  // namespace weft::cuda::WEFT_CUDA_BUILD
