// weft predict: the outputs of a trained net for the inputs in an .npy file.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <vector>

#include "core/autograd.h"
#include "core/npy.h"
#include "core/ops/index.h"
#include "tools/assemble.h"
#include "tools/commands.h"
#include "tools/flags.h"
#include "tools/weights_flags.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kBatch = 256;

// x (N, …) through the net, a batch at a time -> (N, outputs) on the CPU.
Tensor run_net(nn::Module& net, const Tensor& x, Device device) {
  const NoGrad no_grad;
  net.eval();
  Tensors outputs;
  for (std::int64_t begin = 0; begin < x.size(0); begin += kBatch)
    outputs.push_back(net(x.slice(0, begin, std::min(begin + kBatch, x.size(0))).contiguous().to(device)).to(Device{}));
  return concat(outputs, 0);
}

// The k most probable classes of one row of logits, by softmax; of equals the first.
Json top_classes(std::span<const double> logits, std::int64_t k, const std::vector<std::string>& names) {
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit - logits[order[0]]);
  Json top = Json::array();
  for (const std::size_t index : std::span(order).first(std::min<std::size_t>(order.size(), k)))
    top.push_back({{"index", index},
                   {"name", index < names.size() ? names[index] : std::to_string(index)},
                   {"probability", std::exp(logits[index] - logits[order[0]]) / sum}});
  return top;
}

// A list of {input, top}; for a regression {input, output}.
Json predictions(const Tensor& y, bool regression, std::int64_t k, const std::vector<std::string>& names) {
  const std::vector<double> values = y.to_vector();
  const auto width = static_cast<std::size_t>(y.size(1));
  Json list = Json::array();
  for (std::size_t i = 0; i < static_cast<std::size_t>(y.size(0)); ++i) {
    const std::span<const double> row(values.data() + i * width, width);
    Json entry = {{"input", i}};
    if (regression)
      entry["output"] = std::vector<double>(row.begin(), row.end());
    else
      entry["top"] = top_classes(row, k, names);
    list.push_back(std::move(entry));
  }
  return list;
}

void print_lines(const Json& list) {
  for (const Json& entry : list) {
    std::printf("%lld:", static_cast<long long>(entry["input"].get<std::int64_t>()));
    if (entry.contains("output"))
      std::printf(" %s", entry["output"].dump().c_str());
    else
      for (const Json& top : entry["top"])
        std::printf("  %s %.1f%%", top["name"].get<std::string>().c_str(), 100 * top["probability"].get<double>());
    std::printf("\n");
  }
}

}  // namespace

int predict_command(Arguments arguments) {
  Flags flags("predict", "outputs of a trained net for an .npy file of inputs");
  WeightsFlags weights(flags);
  std::string input, output;
  std::int64_t top = 1;
  bool json = false;
  flags.text("--input", input, "inputs, float32 (N, C, H, W)");
  flags.text("--output", output, ".npy file for the logits");
  flags.whole("--top", top, "classes to name per input", 1, 1 << 20);
  flags.on("--json", json, "print a list of {input, top: [{index, name, probability}]}");
  if (!flags.parse(arguments)) return 0;
  require(!input.empty(), "predict", "give --input FILE.npy");

  const train::Config config = weights.config(flags, WeightsFlags::Data::optional);
  prepare_process(config);
  const std::unique_ptr<nn::Module> net = make_net(config);
  const Tensor x = read_npy(input);
  const Shape wanted = models::input_shape(config.model, model_options(config));
  require(x.dtype() == DType::f32 && x.rank() == wanted.rank() + 1 && x.size(0) > 0, "predict", input,
          " must be f32 (N, …) with samples of shape ", wanted, ", is ", x.dtype(), " ", x.shape());
  for (int axis = 0; axis < wanted.rank(); ++axis)
    require(x.size(axis + 1) == wanted[axis], "predict", input, " must hold samples of shape ", wanted, ", is ",
            x.shape());

  const Tensor y = run_net(*net, x, device_of(config));
  if (!output.empty()) write_npy(output, y);
  const std::vector<std::string> names =
      config.data.empty() ? std::vector<std::string>() : data::facts(config.data).class_names;
  const Json list = predictions(y, models::find_model(config.model).regression, top, names);
  if (json)
    std::printf("%s\n", list.dump().c_str());
  else
    print_lines(list);
  return 0;
}

}  // namespace weft::cli
