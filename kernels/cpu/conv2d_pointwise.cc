// The weight gradient of 1 x 1 convolutions over channels-last images: one matrix product over all pixels, in which
// each element of dw is one chain of sums over them, whatever the number of threads.
#include "core/ops/conv2d.h"

#include "kernels/cpu/direct.h"
#include "kernels/cpu/gemm.h"

#include "kernels/cpu/level.h"

namespace weft::cpu::WEFT_CPU_LEVEL {
namespace {

// dw (K, C) = dyᵀ (K, pixels) · x (pixels, C); dbias (K,) the sum of dy over the pixels.
template <typename T>
void backward_weight(const ConvolutionSizes& g, const T* x, const T* dy, T* dw, T* dbias) {
  const std::int64_t pixels = g.n * g.h * g.w;
  parallel_multiply(Product<T>{g.k, g.c, pixels, {dy, 1, g.k}, {x, g.c, 1}, dw, g.c});
  if (dbias) column_sums(pixels, g.k, Operand<T>{dy, g.k, 1}, dbias);
}

void run(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor& dbias) {
  visit_precise(x.dtype(), [&]<typename T>() {
    backward_weight<T>(convolution_sizes(x.shape(), dw.shape(), o), x.data<T>(), dy.data<T>(), dw.data<T>(),
                       dbias.defined() ? dbias.data<T>() : nullptr);
  });
}

std::string refuse(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor&) {
  if (!convolution_sizes(x.shape(), dw.shape(), o).pointwise()) return "not a 1 x 1 filter of stride 1";
  return dw.contiguous_format() ? refuse_direct(x, dy, o) : "dw is not contiguous";
}

[[maybe_unused]] const bool registered[] = {
    conv2d_backward_weight.add(
        {.device = kThisDevice, .name = "cpu.pointwise", .rank = 45, .refuse = refuse, .run = run}),
};

}  // namespace
}  // namespace weft::cpu::WEFT_CPU_LEVEL
