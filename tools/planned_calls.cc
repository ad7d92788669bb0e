#include "tools/planned_calls.h"

#include <map>

#include "core/ops/matmul.h"
#include "core/ops/normalized_conv2d.h"
#include "core/ops/reduce.h"
#include "nn/feature_map.h"

namespace weft::tools {
namespace {

thread_local std::vector<PlannedCall>* recording = nullptr;
thread_local std::string current_layer;

void record(PlannedCall call) {
  if (!recording) return;
  call.layer = current_layer;
  recording->push_back(std::move(call));
}
void record_convolution(const char* slot, const Tensor& x, const Shape& weight, Conv2dOptions o, bool bias) {
  record({.layer = {},
          .slot = slot,
          .convolution = true,
          .first = x.shape(),
          .second = weight,
          .options = o,
          .bias = bias});
}
Shape swapped(const Shape& s) {
  Shape out = s;
  std::swap(out[s.rank() - 1], out[s.rank() - 2]);
  return out;
}
// A fused slot whose parts are run one after another calls the plain slot for the same y, which is no call of its own.
thread_local const void* fused_output = nullptr;
bool part_of_fused(const Tensor& y) { return std::exchange(fused_output, nullptr) == y.raw(); }

void record_product(const char* slot, const Shape& a, const Shape& b, bool bias = false) {
  record({.layer = {}, .slot = slot, .first = a, .second = b, .bias = bias});
}

// Candidates that come before all others, write down what they are asked for, and refuse.
constexpr const char* kName = "plan.listener";
constexpr int kFirst = -1;

// The same for a fused convolution, which may call the plain slot with another output.
thread_local bool in_fused = false;
bool part_of(const Tensor& y) { return std::exchange(in_fused, false) || part_of_fused(y); }

std::string listen(const char* slot, const Tensor& x, const Tensor& filter, const Conv2dOptions& o) {
  record_convolution(slot, x, filter.shape(), o, false);
  in_fused = true;
  return "only listens";
}

void listen_to_fused_convolutions() {
  [[maybe_unused]] static const bool added[] = {
      conv2d_statistics_forward.add(
          {.name = kName,
           .rank = kFirst,
           .refuse = [](const Tensor& x, const Tensor& filter, Conv2dOptions o, const Tensor&, const Tensor&,
                        const Tensor&) { return listen("conv2d_statistics_forward", x, filter, o); }}),
      normalized_conv2d_forward.add(
          {.name = kName,
           .rank = kFirst,
           .refuse = [](const Tensor& x, const Normalization&, const Tensor& filter, Conv2dOptions o, const Tensor&,
                        const Tensor&, const Tensor&) { return listen("normalized_conv2d_forward", x, filter, o); }}),
      normalized_conv2d_backward_data.add(
          {.name = kName,
           .rank = kFirst,
           .refuse = [](const Tensor& x, const Normalization&, const Tensor&, const Tensor& filter, Conv2dOptions o,
                        const Tensor&, const Tensor&,
                        const Tensor&) { return listen("normalized_conv2d_backward_data", x, filter, o); }}),
      normalized_conv2d_backward_weight.add(
          {.name = kName,
           .rank = kFirst,
           .refuse = [](const Tensor& x, const Normalization&, const Tensor&, Conv2dOptions o,
                        const Tensor& dfilter) { return listen("normalized_conv2d_backward_weight", x, dfilter, o); }}),
  };
}

void listen_to_convolutions() {
  [[maybe_unused]] static const bool added[] = {
      conv2d_forward.add({.name = kName,
                          .rank = kFirst,
                          .refuse = [](const Tensor& x, const Tensor& w, const Tensor& bias, Conv2dOptions o,
                                       const Tensor& y) -> std::string {
                            if (!part_of(y)) record_convolution("conv2d_forward", x, w.shape(), o, bias.defined());
                            return "only listens";
                          }}),
      conv2d_bias_relu_forward.add({.name = kName,
                                    .rank = kFirst,
                                    .refuse = [](const Tensor& x, const Tensor& w, const Tensor& bias, Conv2dOptions o,
                                                 const Tensor& y) -> std::string {
                                      record_convolution("conv2d_bias_relu_forward", x, w.shape(), o, bias.defined());
                                      fused_output = y.raw();
                                      return "only listens";
                                    }}),
      conv2d_backward_data.add(
          {.name = kName,
           .rank = kFirst,
           .refuse = [](const Tensor&, const Tensor& w, Conv2dOptions o, const Tensor& dx) -> std::string {
             if (!part_of(dx)) record_convolution("conv2d_backward_data", dx, w.shape(), o, false);
             return "only listens";
           }}),
      conv2d_backward_weight.add({.name = kName,
                                  .rank = kFirst,
                                  .refuse = [](const Tensor& x, const Tensor&, Conv2dOptions o, const Tensor& dw,
                                               const Tensor&) -> std::string {
                                    if (!part_of(dw))
                                      record_convolution("conv2d_backward_weight", x, dw.shape(), o, false);
                                    return "only listens";
                                  }}),
  };
}

void listen_to_products() {
  [[maybe_unused]] static const bool added[] = {
      matmul_forward.add({.name = kName,
                          .rank = kFirst,
                          .refuse = [](const Tensor& a, const Tensor& b, const Tensor&) -> std::string {
                            record_product("matmul_forward", a.shape(), b.shape());
                            return "only listens";
                          }}),
      linear_forward.add(
          {.name = kName,
           .rank = kFirst,
           .refuse = [](const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) -> std::string {
             if (!part_of_fused(y)) record_product("linear_forward", x.shape(), swapped(w.shape()), bias.defined());
             return "only listens";
           }}),
      linear_relu_forward.add(
          {.name = kName,
           .rank = kFirst,
           .refuse = [](const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) -> std::string {
             record_product("linear_relu_forward", x.shape(), swapped(w.shape()), bias.defined());
             fused_output = y.raw();
             return "only listens";
           }}),
      linear_gelu_forward.add({.name = kName,
                               .rank = kFirst,
                               .refuse = [](const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& z,
                                            const Tensor& y) -> std::string {
                                 record_product("linear_gelu_forward", x.shape(), swapped(w.shape()), bias.defined());
                                 fused_output = z.defined() ? z.raw() : y.raw();
                                 return "only listens";
                               }}),
      linear_backward_weight.add(
          {.name = kName,
           .rank = kFirst,
           .refuse = [](const Tensor& x, const Tensor& dy, const Tensor&, const Tensor&) -> std::string {
             record_product("linear_backward_weight", swapped(dy.shape()), x.shape());
             return "only listens";
           }}),
  };
}

// Knows which layer is running.
class LayerNames final : public nn::LayerObserver {
 public:
  explicit LayerNames(nn::Module& net) {
    nn::for_each_module(net, [&](const std::string& path, nn::Module& module) { paths_[&module] = path; });
  }
  void entered(nn::Module& module, const Tensor&) override { current_layer = paths_[&module]; }
  void left(nn::Module&, const Tensor&) override { current_layer.clear(); }

 private:
  std::map<const nn::Module*, std::string> paths_;
};

std::vector<PlannedCall> run(nn::Module& net, Shape input_shape, std::int64_t batch, bool norm_inside) {
  listen_to_convolutions();
  listen_to_fused_convolutions();
  listen_to_products();
  input_shape.insert(0, batch);
  std::vector<PlannedCall> calls;
  recording = &calls;
  struct Stop {
    ~Stop() { recording = nullptr; }
  } const stop;
  const LayerNames names(net);
  const nn::NormInside inside(norm_inside);
  sum(net(zeros(input_shape))).backward();
  net.zero_grad();
  return calls;
}

// A size at this batch, from those at 2 and 3.
Shape extrapolated(const Shape& at_two, const Shape& at_three, std::int64_t batch) {
  Shape out = at_two;
  for (int i = 0; i < out.rank(); ++i) out[i] += (at_three[i] - at_two[i]) * (batch - 2);
  return out;
}

// What tells calls apart, their layer aside; and what a gradient shares with the call it is the gradient of.
std::string sizes_of(const PlannedCall& c) {
  return message(c.first, c.second, c.options.stride, c.options.padding, c.options.dilation, c.options.groups);
}
std::string forward_sizes(const PlannedCall& c) {
  if (c.convolution) return sizes_of(c);
  const auto forward = [](std::int64_t rows, std::int64_t in, std::int64_t out) {
    return message(rows, " ", in, " ", out);
  };
  if (c.slot == "linear_backward_weight") return forward(c.first.back(), c.second.back(), c.first[0]);
  if (c.slot == "linear_forward" || c.slot == "linear_relu_forward" || c.slot == "linear_gelu_forward")
    return forward(c.first[0], c.first.back(), c.second.back());
  return forward(c.first[0], c.second.back(), c.first.back());  // dx = dy weight
}

}  // namespace

std::vector<PlannedCall> planned_calls(nn::Module& net, const Shape& input_shape, std::int64_t batch_size,
                                       bool norm_inside) {
  const std::vector<PlannedCall> at_two = run(net, input_shape, 2, norm_inside),
                                 at_three = run(net, input_shape, 3, norm_inside);
  ensure(at_two.size() == at_three.size(), "a net makes the same calls whatever the batch");
  std::vector<PlannedCall> out;
  std::map<std::string, std::size_t> known;          // by slot and sizes: where in out
  std::map<std::string, std::string> forward_layer;  // by sizes: who made the forward call
  for (std::size_t i = 0; i < at_two.size(); ++i) {
    PlannedCall call = at_two[i];
    call.first = extrapolated(call.first, at_three[i].first, batch_size);
    call.second = extrapolated(call.second, at_three[i].second, batch_size);
    if (!call.layer.empty()) forward_layer.emplace(forward_sizes(call), call.layer);
    if (call.layer.empty()) call.layer = forward_layer[forward_sizes(call)];
    const auto [at, fresh] = known.emplace(message(call.slot, sizes_of(call), call.bias), out.size());
    if (fresh)
      out.push_back(std::move(call));
    else
      ++out[at->second].times;
  }
  return out;
}

}  // namespace weft::tools
