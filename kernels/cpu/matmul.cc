// Matrix products through our own blocked multiply (gemm.h). 16-bit floats are computed on f32 copies.
#include "core/ops/matmul.h"

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/staging.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

// The last two axes of x, starting at an element offset.
template <typename T>
Operand<T> matrix(const Tensor& x, std::int64_t offset = 0) {
  return {x.data<T>() + offset, x.strides()[x.rank() - 2], x.strides()[x.rank() - 1]};
}
template <typename T>
Operand<T> transposed(const Operand<T>& x) {
  return {x.data, x.column, x.row};
}

// Where matrix number `index` of x starts, its batch axes counted row-major; strides may be 0.
std::int64_t matrix_offset(const Tensor& x, std::int64_t index) {
  std::int64_t offset = 0;
  for (int axis = x.rank() - 3; axis >= 0; --axis) {
    offset += index % x.shape()[axis] * x.strides()[axis];
    index /= x.shape()[axis];
  }
  return offset;
}

void matmul(const Tensor& a_in, const Tensor& b_in, const Tensor& y_out) {
  if (y_out.elements() == 0) return;
  const Tensor a = staged(a_in), b = staged(b_in);
  stage_output(y_out, MemoryFormat::contiguous, [&](const Tensor& y) {
    visit_staged(y.dtype(), [&]<typename T>() {
      const std::int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1), batch = y.elements() / (m * n);
      const auto one = [&](std::int64_t i) {
        return Product<T>{
            m, n, k, matrix<T>(a, matrix_offset(a, i)), matrix<T>(b, matrix_offset(b, i)), y.data<T>() + i * m * n, n};
      };
      // Whole matrices per thread where there are enough of them, else all threads on each.
      if (batch >= 2 * threads())
        parallel_for(batch, 1 + 50'000 / (m * n * k + 1), [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) multiply(one(i));
        });
      else
        for (std::int64_t i = 0; i < batch; ++i) parallel_multiply(one(i));
    });
  });
}

// y = x Wᵀ + bias of few rows, as yᵀ = W xᵀ: packing W would cost more than the product, which is bound by reading it.
constexpr std::int64_t kFewRows = 96;

template <bool relu, typename T>
void linear_of_few_rows(const Operand<T>& x, const Operand<T>& weight, std::int64_t k, const T* bias, const Tensor& y) {
  const std::int64_t m = y.size(0), n = y.size(1);
  const Buffer<T> turned(n * m);  // yᵀ (n, m)
  parallel_multiply(Product<T>{n, m, k, weight, transposed(x), turned.data(), m});
  T* const to = y.data<T>();
  parallel_for(n, 1 + 30'000 / (m + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = begin; j < end; ++j) {
        const T sum = turned[j * m + i] + (bias ? bias[j] : T(0));
        to[i * n + j] = relu && sum < 0 ? T(0) : sum;
      }
  });
}

template <bool relu>
void linear(const Tensor& x_in, const Tensor& weight_in, const Tensor& bias_in, const Tensor& y_out) {
  const Tensor x = staged(x_in), weight = staged(weight_in), bias = staged(bias_in);
  stage_output(y_out, MemoryFormat::contiguous, [&](const Tensor& y) {
    visit_staged(y.dtype(), [&]<typename T>() {
      const T* const offsets = bias.defined() ? bias.data<T>() : nullptr;
      if (y.size(0) <= kFewRows && x.size(1) >= kFewRows)
        linear_of_few_rows<relu>(matrix<T>(x), matrix<T>(weight), x.size(1), offsets, y);
      else
        parallel_multiply(Product<T>{y.size(0), y.size(1), x.size(1), matrix<T>(x), transposed(matrix<T>(weight)),
                                     y.data<T>(), y.size(1), offsets, false, relu});
    });
  });
}

void linear_backward(const Tensor& x_in, const Tensor& dy_in, const Tensor& dw_out, const Tensor& dbias_out) {
  const Tensor dy = staged(dy_in);
  if (dw_out.defined())
    stage_output(dw_out, MemoryFormat::contiguous, [&](const Tensor& dw) {
      const Tensor x = staged(x_in);
      visit_staged(dw.dtype(), [&]<typename T>() {
        parallel_multiply(Product<T>{dw.size(0), dw.size(1), x.size(0), transposed(matrix<T>(dy)), matrix<T>(x),
                                     dw.data<T>(), dw.size(1)});
      });
    });
  if (dbias_out.defined())
    stage_output(dbias_out, MemoryFormat::contiguous, [&](const Tensor& dbias) {
      visit_staged(dbias.dtype(),
                   [&]<typename T>() { column_sums(dy.size(0), dy.size(1), matrix<T>(dy), dbias.data<T>()); });
    });
}

[[maybe_unused]] const bool registered[] = {
    matmul_forward.add({.device = kThisDevice, .name = "cpu.blocked", .rank = 100, .run = matmul}),
    linear_forward.add({.device = kThisDevice, .name = "cpu.blocked", .rank = 100, .run = linear<false>}),
    linear_relu_forward.add({.device = kThisDevice, .name = "cpu.blocked", .rank = 100, .run = linear<true>}),
    linear_backward_weight.add({.device = kThisDevice, .name = "cpu.blocked", .rank = 100, .run = linear_backward}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
