// Staging: copies from the host to one device through a ring of pinned buffers, so that a copy is asynchronous and the
// host's memory is free again when upload() returns. It waits only when the whole ring is on its way.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <mutex>

namespace weft::cuda::WEFT_CUDA_BUILD {

class Staging {
 public:
  explicit Staging(int device) : device_(device) {}
  // to (device) = from (host), ordered on the stream. Refused while the stream is being captured: a replay would copy
  // what is in the buffer then.
  void upload(void* to, const void* from, std::size_t bytes, cudaStream_t stream);

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{4} << 20;
  struct Buffer {
    void* data = nullptr;
    cudaEvent_t copied = nullptr;
  };
  int device_;
  std::mutex mutex_;
  std::array<Buffer, 4> ring_;
  std::size_t next_ = 0;
};

}  // namespace weft::cuda::WEFT_CUDA_BUILD
