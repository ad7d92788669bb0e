// Convolution by cuDNN.
#include "core/ops/reduce.h"
#include "kernels/cudnn/call.h"

namespace weft::cudnn {
namespace {

void run_with_filter(const Call& call, const Tensor& bias = {}) {
  const Tensor filter = ordered_filter(call);
  Operands operands = {{kX, call.x.raw()}, {kWeight, filter.raw()}, {kY, call.y.raw()}};
  if (bias.defined()) operands.emplace_back(kBias, bias.raw());
  run(call, operands);
}

template <bool relu>
void forward(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions o, const Tensor& y) {
  run_with_filter(call_of(Direction::forward, x, weight, y, o, bias.defined(), relu), bias);
}
template <bool relu>
std::string refuse_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions o,
                           const Tensor& y) {
  return refuse(call_of(Direction::forward, x, weight, y, o, bias.defined(), relu), {bias});
}

void backward_data(const Tensor& dy, const Tensor& weight, Conv2dOptions o, const Tensor& dx) {
  run_with_filter(call_of(Direction::backward_data, dx, weight, dy, o));
}
std::string refuse_data(const Tensor& dy, const Tensor& weight, Conv2dOptions o, const Tensor& dx) {
  return refuse(call_of(Direction::backward_data, dx, weight, dy, o), {});
}

void backward_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor& dbias) {
  const Call call = call_of(Direction::backward_weight, x, dw, dy, o);
  run_into_filter(call, {{kX, x.raw()}, {kY, dy.raw()}});
  if (!dbias.defined()) return;
  Layout channels = dense_layout({1, dbias.size(0), 1, 1});
  channels.offset = dbias.layout().offset;
  reduce_forward(Fold::sum, 1, dy, make_view(dbias, channels));
}
std::string refuse_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor&) {
  return refuse(call_of(Direction::backward_weight, x, dw, dy, o), {});
}

constexpr DeviceKind kCuda = DeviceKind::cuda;

[[maybe_unused]] const bool registered[] = {
    conv2d_forward.add(
        {.device = kCuda, .name = "cudnn.graph", .rank = 20, .refuse = refuse_forward<false>, .run = forward<false>}),
    conv2d_bias_relu_forward.add(
        {.device = kCuda, .name = "cudnn.graph", .rank = 20, .refuse = refuse_forward<true>, .run = forward<true>}),
    conv2d_backward_data.add(
        {.device = kCuda, .name = "cudnn.graph", .rank = 20, .refuse = refuse_data, .run = backward_data}),
    conv2d_backward_weight.add(
        {.device = kCuda, .name = "cudnn.graph", .rank = 20, .refuse = refuse_weight, .run = backward_weight}),
};

}  // namespace
}  // namespace weft::cudnn
