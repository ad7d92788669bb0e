// What a call of one of NVIDIA's libraries needs around it: the right current device, and scratch memory in the order
// of the stream.
#pragma once

#include <cuda_runtime_api.h>

#include "core/error.h"
#include "core/runtime/runtime.h"

namespace weft::nvidia {

// Makes a device the current one of this thread for as long as it lives.
class OnDevice {
 public:
  explicit OnDevice(int device) {
    if (cudaGetDevice(&before_) == cudaSuccess && before_ == device) return;
    if (const cudaError_t error = cudaSetDevice(device); error != cudaSuccess)
      fail(ErrorKind::internal, "cuda", "cudaSetDevice of ", device, ": ", cudaGetErrorString(error));
    changed_ = true;
  }
  ~OnDevice() {
    if (changed_) cudaSetDevice(before_);
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int before_ = 0;
  bool changed_ = false;
};

// Freed when the call has been enqueued: only work that comes later on the stream is given it again.
class Workspace {
 public:
  Workspace(int device, std::size_t bytes)
      : allocator_(runtime(DeviceKind::cuda).allocator(device)), bytes_(bytes), data_(allocator_.allocate(bytes)) {}
  ~Workspace() { allocator_.free(data_, bytes_); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  void* data() const { return data_; }

 private:
  Allocator& allocator_;
  std::size_t bytes_;
  void* data_;
};

inline void* current_stream(int device) { return runtime(DeviceKind::cuda).current_stream(device).handle; }

}  // namespace weft::nvidia
