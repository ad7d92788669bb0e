// The rest of the CUDA runtime API that weft's host code calls and kernels do not see: how a thread's calls and its
// recording of a graph get on with each other.
#pragma once

#include "kernels/emulation/runtime_api.h"

inline constexpr auto cudaErrorStreamCaptureInvalidated = static_cast<cudaError_t>(901);
enum cudaStreamCaptureStatus {
  cudaStreamCaptureStatusNone,
  cudaStreamCaptureStatusActive,
  cudaStreamCaptureStatusInvalidated
};
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status);
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode);
