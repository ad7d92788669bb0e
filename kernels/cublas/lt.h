// cuBLASLt: a Gemm and its epilogue handed to the library, which is opened on first use. Algorithms are the library's
// first choice (a rule, never a timing), asked for once per shape and kept. The one place that includes cublasLt.h is
// lt.cc.
#pragma once

#include <cstdint>
#include <string>

#include "core/tensor.h"
#include "kernels/cublas/gemm.h"

namespace weft::cublas {

// What happens to D before it is written. The bias has one value per row of D: per column of the row-major result.
enum class Epilogue : std::uint8_t {
  none,
  bias,
  relu,
  relu_bias,
  gelu,
  gelu_bias,
  bias_gradient,  // the sums of op(B) over k are written too: one per column of D, that is, per row of the result
};
std::string to_string(Epilogue epilogue);

// One product, ready to be asked for: y = epilogue(a b + beta y).
struct Request {
  Gemm gemm;
  DType dtype = DType::f32;
  Epilogue epilogue = Epilogue::none;
  bool accumulate = false;  // beta = 1: y's old values are added
  int device = 0;
  const void *a = nullptr, *b = nullptr;  // weft's operands: BLAS's second and first matrix
  void* y = nullptr;
  void* vector = nullptr;    // the bias, or where the bias gradient goes
  void* argument = nullptr;  // where GELU's argument goes, laid out as y; or nowhere
};

// Why the library does not take it; empty when it does, and then run() finds the algorithm kept.
std::string refusal(const Request& request);
// Describes the request to the library without running it. Needs no device; throws Error(internal) for words that the
// library does not know.
void rehearse(const Request& request);
// Enqueues it on the device's current stream. Throws Error(internal) with shapes and device when the library fails.
void run(const Request& request);

}  // namespace weft::cublas
