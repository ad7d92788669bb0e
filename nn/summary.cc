#include "nn/summary.h"

#include <algorithm>
#include <map>

#include "core/autograd.h"
#include "core/kernel_slot.h"

namespace weft::nn {
namespace {

bool holds_modules(Module& module) {
  bool any = false;
  for_each_module(module, [&](const std::string& path, Module&) { any |= !path.empty(); });
  return any;
}

// Writes a line for each leaf layer that runs; kernels that run inside it count for it.
class SummaryObserver final : public LayerObserver, public KernelObserver {
 public:
  SummaryObserver(Module& net, Summary& summary) : summary_(summary) {
    for_each_module(net, [&](const std::string& path, Module& module) {
      if (!holds_modules(module)) paths_[&module] = path;
    });
  }
  void entered(Module& module, const Tensor&) override {
    if (paths_.contains(&module)) layer_macs_ = 0;
  }
  void left(Module& module, const Tensor& y) override {
    const auto path = paths_.find(&module);
    if (path == paths_.end()) return;
    summary_.layers.push_back(
        {path->second, module.type(), y.shape(), module.parameter_count(), static_cast<std::int64_t>(layer_macs_)});
  }
  void called(const KernelCall& call) override {
    layer_macs_ += call.cost.macs;
    summary_.macs += static_cast<std::int64_t>(call.cost.macs);
  }

 private:
  Summary& summary_;
  std::map<const Module*, std::string> paths_;
  double layer_macs_ = 0;
};

TensorOptions options_of(Module& net) {
  const Tensors parameters = net.parameters();
  return parameters.empty() ? TensorOptions{} : TensorOptions{parameters[0].dtype(), parameters[0].device()};
}

std::string padded(const std::string& text, std::size_t width, bool left) {
  const std::string space(width - std::min(width, text.size()), ' ');
  return left ? text + space : space + text;
}

}  // namespace

std::string grouped(std::int64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

Shape output_shape(Module& net, Shape input_shape) {
  const std::int64_t samples = input_shape[0];
  input_shape[0] = 0;
  const EvaluationMode evaluation(net);
  const NoGrad no_grad;
  Shape shape = net(zeros(input_shape, options_of(net))).shape();
  shape[0] = samples;
  return shape;
}

Summary summarize(Module& net, const Shape& input_shape) {
  Summary summary;
  for (const Tensor& parameter : net.parameters()) {
    summary.total_parameters += parameter.elements();
    if (parameter.requires_grad()) summary.trainable_parameters += parameter.elements();
  }
  const EvaluationMode evaluation(net);
  const NoGrad no_grad;
  SummaryObserver observer(net, summary);
  net(zeros(input_shape, options_of(net)));
  return summary;
}

std::string to_string(const Summary& summary) {
  std::vector<std::vector<std::string>> rows{{"layer", "type", "output shape", "parameters", "MACs"}};
  for (const LayerSummary& layer : summary.layers)
    rows.push_back(
        {layer.name, layer.type, to_string(layer.output_shape), grouped(layer.parameters), grouped(layer.macs)});
  rows.push_back({"total", "", "", grouped(summary.total_parameters), grouped(summary.macs)});
  std::vector<std::size_t> widths(rows[0].size(), 0);
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += padded(row[i], widths[i], i < 3) + (i + 1 < row.size() ? "  " : "");
    out += (out.empty() ? "" : "\n") + line;
  }
  return out;
}

}  // namespace weft::nn
