// Products in the words of cuBLASLt, as far as they go without a GPU: the library itself takes every description.
#include "core/ops/matmul.h"

#include "kernels/cublas/lt.h"
#include "kernels/nvidia/library.h"
#include "tests/catch.h"

using namespace weft;
using namespace weft::cublas;

namespace {

Request request(const Layout& a, const Layout& b, const Layout& y, DType dtype, Epilogue epilogue) {
  static double memory[64];
  Request r{.gemm = map_gemm(a, b, y), .dtype = dtype, .epilogue = epilogue, .a = memory, .b = memory, .y = memory};
  if (epilogue != Epilogue::none) r.vector = memory;
  return r;
}

}  // namespace

TEST_CASE("cuBLASLt knows the words for every dtype, transposition, batch and epilogue") {
  if (!nvidia::cublaslt_library().found()) {
    WARN(nvidia::cublaslt_library().missing());
    return;
  }
  const Layout plain = dense_layout({2, 4, 4}), turned = transposed(plain);
  const Epilogue epilogues[] = {Epilogue::none, Epilogue::bias,      Epilogue::relu,         Epilogue::relu_bias,
                                Epilogue::gelu, Epilogue::gelu_bias, Epilogue::bias_gradient};
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16})
    for (const Layout* a : {&plain, &turned})
      for (const Layout* b : {&plain, &turned})
        for (const Epilogue epilogue : epilogues) {
          INFO(to_string(dtype) << " epilogue " << to_string(epilogue));
          Request wanted = request(*a, *b, plain, dtype, epilogue);
          CHECK_NOTHROW(rehearse(wanted));
          if (epilogue != Epilogue::gelu && epilogue != Epilogue::gelu_bias) continue;
          wanted.argument = wanted.y;
          CHECK_NOTHROW(rehearse(wanted));
        }
}

TEST_CASE("products that cuBLASLt cannot take are refused before it is asked") {
  if (!nvidia::cublaslt_library().found()) return;
  const Layout a = dense_layout({4, 0}), b = dense_layout({0, 4}), y = dense_layout({4, 4});
  CHECK(refusal(request(a, b, y, DType::f32, Epilogue::none)) == "the sums are empty");
  CHECK(refusal(request(y, y, y, DType::i32, Epilogue::none)) == "the operands are i32");
}

TEST_CASE("cuBLASLt's products are candidates on cuda and nowhere else") {
  CHECK(matmul_forward.candidates(DeviceKind::cuda).front() == "cublas.lt");
  CHECK(linear_forward.candidates(DeviceKind::cuda).front() == "cublas.lt");
  CHECK(linear_relu_forward.candidates(DeviceKind::cuda).front() == "cublas.lt");
  CHECK(linear_gelu_forward.candidates(DeviceKind::cuda).front() == "cublas.lt");
  CHECK(linear_backward_weight.candidates(DeviceKind::cuda).front() == "cublas.lt");
  for (const std::string& name : matmul_forward.candidates(DeviceKind::cpu)) CHECK(name != "cublas.lt");
}
