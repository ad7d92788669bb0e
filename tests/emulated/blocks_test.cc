// LeNet and blocks of ResNet, DenseNet and GoogLeNet on the emulated device beside PyTorch: outputs, losses and
// gradients in f32 and in mixed precision, against tests/golden/files/blocks.json (made by tests/golden/blocks.py).
#include <cmath>
#include <limits>

#include "core/autocast.h"
#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "core/ops/loss.h"
#include "models/densenet.h"
#include "models/googlenet.h"
#include "models/registry.h"
#include "models/resnet.h"
#include "tests/golden/drawn.h"

using namespace weft;
using namespace weft::models;
using nlohmann::json;

namespace {

constexpr Device kEmulated{DeviceKind::emulated, 0};
constexpr double kScale = 1024;  // of the loss: without it small gradients would leave f16's range

template <typename Block>
std::unique_ptr<nn::Module> on_heap(Block block) {
  return std::make_unique<Block>(std::move(block));
}

std::unique_ptr<nn::Module> block(const std::string& name) {
  if (name == "lenet") return make_model("lenet", {.init = "layers"});
  if (name == "basic_block") return on_heap(basic_block({.in = 16, .out = 32, .stride = 2}));
  if (name == "bottleneck") return on_heap(bottleneck({.in = 32, .out = 32, .width = 8}));
  if (name == "dense_block") return on_heap(DenseBlock({.layers = 2, .in = 16, .growth = 8, .bottleneck = 4}));
  REQUIRE(name == "inception_d2l");
  return on_heap(inception_d2l(16, {8, 8, 16, 8, 8, 8}));
}

double unit_roundoff(DType dtype) { return dtype == DType::f32 ? 0x1p-24 : dtype == DType::f16 ? 0x1p-11 : 0x1p-8; }

// The largest error of a gradient's norm, or of its component along a drawn direction, as a share of the larger of the
// norm and a thousandth of the largest norm.
double gradient_error(const std::vector<NamedTensor>& gradients, const json& expected) {
  double largest = 0, worst = 0;
  for (const auto& [name, value] : expected.items()) largest = std::max(largest, value[0].get<double>());
  REQUIRE(gradients.size() == expected.size());
  for (const auto& [name, gradient] : gradients) {
    INFO(name);
    REQUIRE(expected.contains(name));
    double along = 0, square = 0;
    const std::vector<double> values = gradient.to_vector();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double direction = golden::drawn(golden::digest("along " + name), static_cast<std::int64_t>(i));
      along += values[i] * direction;
      square += direction * direction;
    }
    const json& reference = expected[name];
    const double scale = std::max(reference[0].get<double>(), 1e-3 * largest);
    worst = std::max({worst, std::abs(golden::norm(gradient) / kScale - reference[0].get<double>()) / scale,
                      std::abs(along / std::sqrt(square) / kScale - reference[1].get<double>()) / scale});
  }
  return worst;
}

struct Errors {
  double output, loss, gradients;
};

Errors errors(const std::string& name, const json& entry, DType dtype) {
  const auto net = block(name);
  golden::fill(*net);
  net->to(kEmulated);
  Shape shape;
  for (const std::int64_t size : entry["shape"]) shape.push_back(size);
  Tensor x = empty(shape);
  golden::fill(x, "images");
  x = x.to(MemoryFormat::channels_last).to(kEmulated);
  x.set_requires_grad();
  const Autocast autocast(dtype == DType::f32 ? std::nullopt : std::optional(dtype));
  const Tensor y = (*net)(x.to(dtype));  // as the layer before a block hands it on
  Tensor loss;
  if (name == "lenet") {
    loss = cross_entropy(y, golden::labels(shape[0]).to(kEmulated));
  } else {
    const Tensor target = empty(y.shape());
    golden::fill(target, "target");
    loss = mse_loss(y, target.to(kEmulated));
  }
  (loss * kScale).backward();
  std::vector<NamedTensor> gradients{{"x", x.grad()}};
  for (const auto& [path, parameter] : net->named_parameters()) gradients.push_back({path, parameter.grad()});
  std::vector<double> seen;
  const std::vector<double> output = y.detach().to_vector();
  for (std::size_t i = 0; i < output.size(); i += 7) seen.push_back(output[i]);
  return {golden::error(tensor({static_cast<std::int64_t>(seen.size())}, seen, {.dtype = DType::f64}), entry["output"]),
          std::abs(loss.item() / entry["loss"].get<double>() - 1), gradient_error(gradients, entry["gradients"])};
}

}  // namespace

// With unit roundoff u: an output ends a chain of a few rounded layers, and the largest of a thousand such sums of
// roundings stays within 8 u. In f32 what counts is the sums of up to 300 products: 2 sqrt(300) u. A ReLU whose
// argument is within rounding of 0 may fall the other way: in 16 bits a share of about u does, and takes its part of a
// gradient along, which moves that by sqrt(u) of its norm (PyTorch's own 16-bit gradients no less); LeNet has no ReLU.
TEST_CASE("LeNet and blocks of the zoo have PyTorch's outputs, losses and gradients, in every dtype", "[golden]") {
  int compared = 0;
  for (const json all = golden::file("blocks.json"); const auto& [name, entry] : all.items()) {
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
      INFO(name << ' ' << to_string(dtype));
      const double u = unit_roundoff(dtype), rounded = dtype == DType::f32 ? 2 * std::sqrt(300) * u : 8 * u;
      const Errors found = errors(name, entry, dtype);
      CHECK(found.output < rounded);
      CHECK(found.loss < rounded);
      CHECK(found.gradients < (dtype == DType::f32 || name == "lenet" ? rounded : 2 * std::sqrt(u)));
      ++compared;
    }
  }
  CHECK(compared == 15);
}
