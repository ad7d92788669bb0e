// Matrix products by cuBLASLt. A bias is added, and its gradient taken, inside the product where the library offers
// that for the dtype; elsewhere the bias is written into y first, or its gradient summed by a kernel of our own.
#include "core/ops/matmul.h"

#include "core/ops/copy.h"
#include "core/ops/reduce.h"
#include "kernels/cublas/lt.h"

namespace weft::cublas {
namespace {

Request request(const Layout& la, const Tensor& a, const Layout& lb, const Tensor& b, const Tensor& y) {
  return {.gemm = map_gemm(la, lb, y.layout()),
          .dtype = y.dtype(),
          .device = y.device().index,
          .a = a.raw(),
          .b = b.raw(),
          .y = y.raw()};
}

Request matmul_request(const Tensor& a, const Tensor& b, const Tensor& y) {
  return request(a.layout(), a, b.layout(), b, y);
}
std::string refuse_matmul(const Tensor& a, const Tensor& b, const Tensor& y) {
  return refusal(matmul_request(a, b, y));
}
void run_matmul(const Tensor& a, const Tensor& b, const Tensor& y) { run(matmul_request(a, b, y)); }

// y = x weight^T. With a bias: in the epilogue, or, where the library has none for the dtype, added to y as it stands.
Request linear_request(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y) {
  Request wanted = request(x.layout(), x, transposed(weight.layout()), weight, y);
  if (!bias.defined()) return wanted;
  wanted.epilogue = Epilogue::bias;
  wanted.vector = bias.raw();
  if (refusal(wanted).empty()) return wanted;
  wanted.epilogue = Epilogue::none;
  wanted.vector = nullptr;
  wanted.accumulate = true;
  return wanted;
}
std::string refuse_linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y) {
  return refusal(linear_request(x, weight, bias, y));
}
void run_linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y) {
  const Request wanted = linear_request(x, weight, bias, y);
  if (wanted.accumulate) copy_forward(bias.detach().expand(y.shape()), y);
  run(wanted);
}

// y = f(x weight^T + bias), all in the epilogue or not at all.
Request activated_request(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y,
                          Epilogue without_bias, Epilogue with_bias) {
  Request wanted = request(x.layout(), x, transposed(weight.layout()), weight, y);
  wanted.epilogue = bias.defined() ? with_bias : without_bias;
  if (bias.defined()) wanted.vector = bias.raw();
  return wanted;
}
Request linear_relu_request(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y) {
  return activated_request(x, weight, bias, y, Epilogue::relu, Epilogue::relu_bias);
}
std::string refuse_linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y) {
  return refusal(linear_relu_request(x, weight, bias, y));
}
void run_linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y) {
  run(linear_relu_request(x, weight, bias, y));
}

Request linear_gelu_request(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& z,
                            const Tensor& y) {
  Request wanted = activated_request(x, weight, bias, y, Epilogue::gelu, Epilogue::gelu_bias);
  if (z.defined()) wanted.argument = z.raw();
  return wanted;
}
std::string refuse_linear_gelu(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& z,
                               const Tensor& y) {
  return refusal(linear_gelu_request(x, weight, bias, z, y));
}
void run_linear_gelu(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& z, const Tensor& y) {
  run(linear_gelu_request(x, weight, bias, z, y));
}

// dw = dy^T x. dbias, the column sums of dy, is the bias gradient of BLAS's second matrix, which is dy.
Request weight_request(const Tensor& x, const Tensor& dy, const Tensor& dw, const Tensor& dbias) {
  Request wanted = request(transposed(dy.layout()), dy, x.layout(), x, dw);
  if (!dbias.defined()) return wanted;
  wanted.epilogue = Epilogue::bias_gradient;
  wanted.vector = dbias.raw();
  if (refusal(wanted).empty()) return wanted;
  wanted.epilogue = Epilogue::none;
  wanted.vector = nullptr;
  return wanted;
}
std::string refuse_weight(const Tensor& x, const Tensor& dy, const Tensor& dw, const Tensor& dbias) {
  if (!dw.defined()) return "no gradient of the weight is wanted";
  return refusal(weight_request(x, dy, dw, dbias));
}
void run_weight(const Tensor& x, const Tensor& dy, const Tensor& dw, const Tensor& dbias) {
  const Request wanted = weight_request(x, dy, dw, dbias);
  run(wanted);
  if (!dbias.defined() || wanted.epilogue == Epilogue::bias_gradient) return;
  Layout row = dense_layout({1, dbias.size(0)});
  row.offset = dbias.layout().offset;
  reduce_forward(Fold::sum, 1, dy, make_view(dbias, row));
}

constexpr DeviceKind kCuda = DeviceKind::cuda;

[[maybe_unused]] const bool registered[] = {
    matmul_forward.add({.device = kCuda, .name = "cublas.lt", .rank = 20, .refuse = refuse_matmul, .run = run_matmul}),
    linear_forward.add({.device = kCuda, .name = "cublas.lt", .rank = 20, .refuse = refuse_linear, .run = run_linear}),
    linear_relu_forward.add(
        {.device = kCuda, .name = "cublas.lt", .rank = 20, .refuse = refuse_linear_relu, .run = run_linear_relu}),
    linear_gelu_forward.add(
        {.device = kCuda, .name = "cublas.lt", .rank = 20, .refuse = refuse_linear_gelu, .run = run_linear_gelu}),
    linear_backward_weight.add(
        {.device = kCuda, .name = "cublas.lt", .rank = 20, .refuse = refuse_weight, .run = run_weight}),
};

}  // namespace
}  // namespace weft::cublas
