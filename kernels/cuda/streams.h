// The devices of this module as its own code sees them: current streams, and where kernels leave a note of an index
// that lies outside its axis. They cannot throw, so the next wait for the device turns the note into an error.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "core/tensor.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

inline constexpr DeviceKind kThisDevice = DeviceKind::WEFT_CUDA_DEVICE;

// This thread's current stream of the device; never the default stream.
cudaStream_t current_stream(int device);
// The same for the tensor's device, which becomes the thread's current device.
cudaStream_t stream_of(const Tensor& x);
int multiprocessors_of(const Tensor& x);

// Written by the first thread that finds a bad index; read and cleared at the next wait.
struct IndexReport {
  int set = 0;
  bool data_error = false;  // a class of the data: Error(data), not Error(usage)
  const char* op = nullptr;
  long long index = 0, position = 0, size = 0;
};
// Lies in host memory that the device of the tensor can write to.
IndexReport* index_report_of(const Tensor& x);

}  // namespace weft::cuda::WEFT_CUDA_BUILD
