// The registry, and what it says of each built-in model: names, shapes, parameters and multiply-accumulates.
#include "models/registry.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/generator.h"
#include "core/kernel_slot.h"
#include "core/ops/loss.h"
#include "core/ops/random.h"
#include "core/ops/reduce.h"
#include "models/lenet.h"
#include "nn/linear.h"
#include "tests/catch.h"

using namespace weft;
using namespace weft::models;

namespace {

std::vector<Shape> output_shapes(const ModelInfo& info, const std::string& type) {
  std::vector<Shape> shapes;
  for (const nn::LayerSummary& layer : info.layers)
    if (layer.type == type) shapes.push_back(layer.output_shape);
  return shapes;
}
const nn::LayerSummary& layer(const ModelInfo& info, const std::string& name) {
  for (const nn::LayerSummary& entry : info.layers)
    if (entry.name == name) return entry;
  throw std::runtime_error("no layer " + name);
}
std::vector<double> of(const Tensor& x) { return x.detach().to_vector(); }

}  // namespace

TEST_CASE("the registry knows its models and suggests the nearest", "[models]") {
  for (const char* name : {"lenet", "linear_regression", "mlp", "softmax_regression"}) {
    const std::vector<std::string> all = model_names();
    CHECK(std::find(all.begin(), all.end(), name) != all.end());
  }
  CHECK_THROWS_WITH(find_model("lenett"), contains("unknown model 'lenett'; did you mean 'lenet'?"));
  CHECK_THROWS_WITH(make_model("lenet", {.hidden = {4}}), contains("lenet: this model has no option 'hidden'"));
  CHECK_THROWS_WITH(make_model("lenet", {.image_size = 8}), contains("at least 12 x 12, got 8 x 8"));
  CHECK_THROWS_WITH(make_model("lenet", {.pool = "sum"}), contains("'avg' or 'max', got 'sum'"));
  CHECK_THROWS_WITH(make_model("mlp", {.classes = -1}), contains("must be positive"));
  CHECK_THROWS_WITH(make_model("mlp", {.hidden = {4, 4, 4}, .dropout = {0.1, 0.2}}),
                    contains("one per hidden layer (3)"));
  CHECK_THROWS_WITH(make_model("mlp", {.init = "xavier"}), contains("unknown recipe 'xavier'"));
}

TEST_CASE("LeNet has the lecture notes' shapes, parameters and MACs", "[models][CN1]") {
  const ModelInfo info = describe_model("lenet");
  CHECK(info.name == "lenet");
  CHECK(info.input_shape == Shape{1, 28, 28});
  CHECK(info.total_parameters == 61706);
  CHECK(info.macs == 416520);
  CHECK(output_shapes(info, "Conv2d") == std::vector<Shape>{{1, 6, 28, 28}, {1, 16, 10, 10}});
  CHECK(output_shapes(info, "AvgPool2d") == std::vector<Shape>{{1, 6, 14, 14}, {1, 16, 5, 5}});
  CHECK(output_shapes(info, "Flatten") == std::vector<Shape>{{1, 400}});
  CHECK(output_shapes(info, "Linear") == std::vector<Shape>{{1, 120}, {1, 84}, {1, 10}});
  CHECK(output_shapes(info, "Sigmoid").size() == 4);
  CHECK(layer(info, "features.0").macs == 117600);
  CHECK(layer(info, "features.3").macs == 240000);
  CHECK(layer(info, "classifier.0").macs == 48000);
  CHECK(layer(info, "classifier.4").parameters == 850);
  std::vector<std::string> names;
  for (const ParameterInfo& parameter : info.parameters) names.push_back(parameter.name);
  CHECK(names == std::vector<std::string>{"features.0.weight", "features.0.bias", "features.3.weight",
                                          "features.3.bias", "classifier.0.weight", "classifier.0.bias",
                                          "classifier.2.weight", "classifier.2.bias", "classifier.4.weight",
                                          "classifier.4.bias"});
  CHECK(info.parameters[2].shape == Shape{16, 6, 5, 5});
}

TEST_CASE("LeNet takes other images, classes and layers", "[models]") {
  const ModelInfo info =
      describe_model("lenet", {.in_channels = 3, .image_size = 64, .classes = 7, .activation = "relu", .pool = "max"});
  CHECK(info.input_shape == Shape{3, 64, 64});
  CHECK(output_shapes(info, "MaxPool2d") == std::vector<Shape>{{1, 6, 32, 32}, {1, 16, 14, 14}});
  CHECK(output_shapes(info, "ReLU").size() == 4);
  CHECK(output_shapes(info, "Linear").back() == Shape{1, 7});
}

TEST_CASE("LeNet gives the same outputs and gradients in both memory formats", "[models][CN1]") {
  manual_seed(4);
  LeNet inside({.memory_format = MemoryFormat::channels_last});
  LeNet plain({.memory_format = MemoryFormat::contiguous});
  plain.load(inside.state());
  const Tensor x = empty({5, 1, 28, 28});
  uniform_(x, 0, 1, {1, 1});
  const Tensor target = tensor({5}, {0, 3, 9, 1, 1}, {.dtype = DType::i64});
  for (LeNet* net : {&inside, &plain}) cross_entropy((*net)(x), target, {}).backward();
  const std::vector<double> a = of(inside(x)), b = of(plain(x));
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).margin(1e-5));
  const Tensors p = inside.parameters(), q = plain.parameters();
  for (std::size_t i = 0; i < p.size(); ++i) {
    const std::vector<double> dp = p[i].grad().to_vector(), dq = q[i].grad().to_vector();
    double worst = 0;
    for (std::size_t j = 0; j < dp.size(); ++j) worst = std::max(worst, std::abs(dp[j] - dq[j]));
    INFO("parameter " << i);
    CHECK(worst < 1e-5);
    CHECK(p[i].contiguous_format());
  }
}

TEST_CASE("inside LeNet no layout is converted but by the flattening", "[models]") {
  struct Copies final : KernelObserver {
    int count = 0;
    void called(const KernelCall& call) override { count += call.slot == "copy_forward"; }
  };
  LeNet net;
  const Tensor x = zeros({4, 1, 28, 28}), target = tensor({4}, {0, 1, 2, 3}, {.dtype = DType::i64});
  const Tensor loss = [&] {
    Copies copies;
    const Tensor y = cross_entropy(net(x), target);
    CHECK(copies.count == 1);  // the flattening: one channel needs no conversion
    return y;
  }();
  Copies copies;
  loss.backward();
  CHECK(copies.count == 1);  // the flattening's gradient
}

TEST_CASE("softmax regression is 7,850 parameters and starts at chance", "[models][L3]") {
  manual_seed(2);
  const auto net = make_model("softmax_regression");
  CHECK(net->parameter_count() == 7850);
  CHECK(describe_model("softmax_regression").macs == 7840);
  CHECK(of(net->parameters()[1]) == std::vector<double>(10, 0.0));
  const Tensor x = empty({2000, 1, 28, 28});
  uniform_(x, 0, 1, {3, 1});
  std::vector<double> labels;
  for (int i = 0; i < 2000; ++i) labels.push_back(i % 10);
  const Tensor target = tensor({2000}, labels, {.dtype = DType::i64});
  const Tensor y = (*net)(x);
  CHECK(y.shape() == Shape{2000, 10});
  CHECK(cross_entropy(y, target, {}).item() == Approx(std::log(10.0)).margin(0.1));
  const std::vector<double> guesses = of(argmax(y, 1));
  int hits = 0;
  for (std::size_t i = 0; i < guesses.size(); ++i) hits += guesses[i] == labels[i];
  CHECK(hits / 2000.0 == Approx(0.1).margin(0.04));
}

TEST_CASE("MLPs have the parameters of the lecture notes", "[models][P3][P4][D3]") {
  CHECK(describe_model("mlp").total_parameters == 203530);
  CHECK(describe_model("mlp").macs == 784 * 256 + 256 * 10);
  const ModelInfo dropout = describe_model("mlp", {.hidden = {256, 256}, .dropout = {0.2, 0.5}});
  CHECK(dropout.total_parameters == 269322);
  CHECK(output_shapes(dropout, "Dropout").size() == 2);
  CHECK(dropout.parameters[2].name == "fc2.weight");
  const ModelInfo deep = describe_model("mlp", {.hidden = {512, 256, 128}, .dropout = {0.1}, .activation = "tanh"});
  CHECK(deep.total_parameters == 785 * 512 + 513 * 256 + 257 * 128 + 129 * 10);
  CHECK(output_shapes(deep, "Dropout").size() == 3);
  CHECK(output_shapes(deep, "Tanh").size() == 3);
}

TEST_CASE("linear regression maps features to one output", "[models][L0]") {
  const ModelInfo info = describe_model("linear_regression", {.in_channels = 5});
  CHECK(info.input_shape == Shape{5});
  CHECK(info.total_parameters == 6);
  CHECK(find_model("linear_regression").regression);
  CHECK(make_model("linear_regression", {.init = "constant:2"})->parameters()[0].to_vector() ==
        std::vector<double>{2, 2});
}

TEST_CASE("looking at a model draws no random numbers; making one follows the seed", "[models]") {
  manual_seed(11);
  const std::uint64_t before = default_generator().next;
  describe_model("lenet");
  CHECK(default_generator().next == before);
  const auto a = make_model("lenet");
  manual_seed(11);
  const auto b = make_model("lenet");
  for (std::size_t i = 0; i < a->parameters().size(); ++i) CHECK(of(a->parameters()[i]) == of(b->parameters()[i]));
}

TEST_CASE("a user's own model joins the registry", "[models]") {
  static bool once = add_model({.name = "test_model",
                                .description = "one layer",
                                .defaults = {.in_channels = 2, .init = "zeros"},
                                .build = [](const ModelOptions& o) -> std::unique_ptr<nn::Module> {
                                  return std::make_unique<nn::Linear>(nn::LinearOptions{.in = o.in_channels, .out = 3});
                                },
                                .input_shape = [](const ModelOptions& o) { return Shape{o.in_channels}; }});
  CHECK(once);
  CHECK(describe_model("test_model").total_parameters == 9);
  CHECK(input_shape("test_model", {.in_channels = 4}) == Shape{4});
  CHECK_THROWS_WITH(add_model(find_model("test_model")), contains("'test_model' is taken"));
}

TEST_CASE("a summary prints as a table", "[nn]") {
  const auto net = make_model("mlp", {.image_size = 2, .classes = 3, .hidden = {1000}});
  const std::string table = to_string(nn::summarize(*net, {1, 1, 2, 2}));
  CHECK(table ==
        "layer    type     output shape  parameters   MACs\n"
        "flatten  Flatten  (1, 4)                 0      0\n"
        "fc1      Linear   (1, 1000)          5,000  4,000\n"
        "act1     ReLU     (1, 1000)              0      0\n"
        "fc2      Linear   (1, 3)             3,003  3,000\n"
        "total                                8,003  7,000");
  CHECK(net->training());
}
