// weft predict: what a trained net says of photos, or of the inputs in an .npy file.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>
#include <vector>

#include "core/autocast.h"
#include "core/autograd.h"
#include "core/file.h"
#include "core/npy.h"
#include "core/ops/index.h"
#include "core/utf8.h"
#include "tools/assemble.h"
#include "tools/commands.h"
#include "tools/flags.h"
#include "tools/photos.h"
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
    outputs.push_back(
        net(x.slice(0, begin, std::min(begin + kBatch, x.size(0))).contiguous().to(device)).to(Device{}).to(x.dtype()));
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

// A list of {input, top}; for a regression {input, output}. An input is a photo's file, or a number.
Json predictions(const Tensor& y, bool regression, std::int64_t k, const std::vector<std::string>& names,
                 const std::vector<std::string>& photos) {
  const std::vector<double> values = y.to_vector();
  const auto width = static_cast<std::size_t>(y.size(1));
  Json list = Json::array();
  for (std::size_t i = 0; i < static_cast<std::size_t>(y.size(0)); ++i) {
    const std::span<const double> row(values.data() + i * width, width);
    Json entry;
    if (photos.empty())
      entry["input"] = i;
    else
      entry["input"] = photos[i];
    if (!std::ranges::all_of(row, [](double value) { return std::isfinite(value); }))
      fail(ErrorKind::diverged, "predict", "the net's answer to input ", entry["input"].dump(),
           " holds a NaN or an infinity; are its weights sound?");
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
    const Json& input = entry["input"];
    std::printf("%s:", input.is_string() ? input.get_ref<const std::string&>().c_str() : input.dump().c_str());
    if (entry.contains("output"))
      std::printf(" %s", entry["output"].dump().c_str());
    else
      for (const Json& top : entry["top"])
        std::printf("  %s %.1f%%", top["name"].get<std::string>().c_str(), 100 * top["probability"].get<double>());
    std::printf("\n");
  }
}

// The inputs of a call: an array in a file, or photos, which are read a batch at a time.
struct Inputs {
  std::string npy;
  std::vector<std::string> photos;
  data::Preprocessing preprocessing;
};

// The array, checked to hold samples of the shape.
Tensor read_samples(const std::string& file, const Shape& wanted) {
  const Tensor x = read_npy(file);
  require(x.dtype() == DType::f32 && x.rank() == wanted.rank() + 1 && x.size(0) > 0, "predict", file,
          " must be f32 (N, …) with samples of shape ", wanted, ", is ", x.dtype(), " ", x.shape());
  for (int axis = 0; axis < wanted.rank(); ++axis)
    require(x.size(axis + 1) == wanted[axis], "predict", file, " must hold samples of shape ", wanted, ", is ",
            x.shape());
  return x;
}

Tensor outputs_of(nn::Module& net, const Inputs& inputs, const Shape& sample, Device device) {
  if (!inputs.npy.empty()) return run_net(net, read_samples(inputs.npy, sample), device);
  constexpr std::size_t kPhotos = 32;  // at once in memory
  Tensors outputs;
  std::span<const std::string> left = inputs.photos;
  while (!left.empty()) {
    const std::size_t n = std::min(kPhotos, left.size());
    outputs.push_back(run_net(net, read_photos(left.first(n), inputs.preprocessing), device));
    left = left.subspan(n);
  }
  return concat(outputs, 0);
}

// One name a line.
std::vector<std::string> read_class_names(const std::string& file) {
  std::vector<std::string> names;
  std::istringstream text(read_text_file(file));
  for (std::string line; std::getline(text, line);) {
    if (line.ends_with('\r')) line.pop_back();
    require_data(is_utf8(line), file, "line ", names.size() + 1, " is not UTF-8");
    names.push_back(line);
  }
  return names;
}

std::vector<std::string> class_names(const std::string& file, const std::string& data, std::int64_t classes) {
  if (file.empty()) return data.empty() ? std::vector<std::string>() : data::facts(data).class_names;
  std::vector<std::string> names = read_class_names(file);
  require_data(static_cast<std::int64_t>(names.size()) == classes, file, "holds ", names.size(),
               " names, one a line; the net has ", classes, " classes");
  return names;
}

}  // namespace

int predict_command(Arguments arguments) {
  Flags flags("predict", "what a trained net says of photos, or of an .npy file of inputs");
  WeightsFlags weights(flags, WeightsFlags::Data::optional);
  PhotoFlags photos(flags);
  std::string output, classes;
  Inputs inputs;
  std::int64_t top = 0;
  bool json = false;
  flags.text("--input", inputs.npy, "instead of photos: inputs, float32 (N, C, H, W)");
  flags.text("--output", output, ".npy file for the logits");
  flags.text("--classes", classes, "text file of class names, one a line");
  flags.whole("--top", top, "classes to name per input; 0: 5 for photos, else 1", 0, 1 << 20);
  flags.on("--json", json, "print a list of {input, top: [{index, name, probability}]}");
  if (!flags.parse(arguments)) return 0;
  require(inputs.npy.empty() != photos.files().empty(), "predict", "give photos (JPEG, PNG) or --input FILE.npy");

  const train::Config config = weights.config(flags);
  prepare_process(config);
  const models::ModelOptions options = models::complete_options(config.model, model_options(config));
  const Shape sample = models::input_shape(config.model, options);
  const std::vector<std::string> names = class_names(classes, config.data, options.classes);
  inputs.photos = photos.files();
  if (inputs.npy.empty()) inputs.preprocessing = photos.preprocessing(config.model, sample, weights.of_run());
  const std::unique_ptr<nn::Module> net = make_net(config);
  const Autocast autocast(amp_of(config));
  const Tensor y = outputs_of(*net, inputs, sample, device_of(config));
  if (top == 0) top = inputs.npy.empty() ? 5 : 1;
  const Json list = predictions(y, models::find_model(config.model).regression, top, names, inputs.photos);
  if (!output.empty()) write_npy(output, y);
  if (json)
    std::printf("%s\n", list.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  else
    print_lines(list);
  return 0;
}

}  // namespace weft::cli
