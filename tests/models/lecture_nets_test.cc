// The convolution nets of the lecture notes: shapes after each stage, parameters and multiply-accumulates as printed
// there or counted by PyTorch, and what happens to images that are too small.
#include <algorithm>
#include <cmath>

#include "core/autograd.h"
#include "core/kernel_slot.h"
#include "core/ops/loss.h"
#include "core/ops/random.h"
#include "core/ops/reduce.h"
#include "models/nin.h"
#include "models/registry.h"
#include "models/vgg.h"
#include "nn/nn.h"
#include "tests/catch.h"

using namespace weft;
using namespace weft::models;

namespace {

// Output shapes, without the batch axis, of the layers of these types in the order they run.
std::vector<Shape> shapes_of(const ModelInfo& info, const std::vector<std::string>& types) {
  std::vector<Shape> shapes;
  for (const nn::LayerSummary& layer : info.layers) {
    if (std::ranges::find(types, layer.type) == types.end()) continue;
    Shape shape;
    for (int axis = 1; axis < layer.output_shape.rank(); ++axis) shape.push_back(layer.output_shape[axis]);
    shapes.push_back(shape);
  }
  return shapes;
}

Tensor images(const Shape& shape, std::uint64_t stream = 1) {
  const Tensor x = empty(shape);
  uniform_(x, 0, 1, {5, stream});
  return x;
}

}  // namespace

TEST_CASE("what the registry says of a net is what the net is", "[models]") {
  for (const std::string& name : model_names()) {
    const ModelEntry& entry = find_model(name);
    if (name == "test_model") continue;
    INFO(name);
    const ModelInfo info = describe_model(name);
    CHECK(info.total_parameters == entry.parameters);
    CHECK(info.macs == entry.macs);
    CHECK_FALSE(entry.reference.empty());
  }
}

TEST_CASE("AlexNet has the lecture notes' shapes, parameters and MACs", "[models][CN2]") {
  const ModelInfo info = describe_model("alexnet_d2l");
  CHECK(shapes_of(info, {"Conv2d", "MaxPool2d"}) == std::vector<Shape>{{96, 54, 54},
                                                                       {96, 26, 26},
                                                                       {256, 26, 26},
                                                                       {256, 12, 12},
                                                                       {384, 12, 12},
                                                                       {384, 12, 12},
                                                                       {256, 12, 12},
                                                                       {256, 5, 5}});
  CHECK(shapes_of(info, {"Flatten", "Linear"}) == std::vector<Shape>{{6400}, {4096}, {4096}, {10}});
  CHECK(shapes_of(info, {"Dropout"}).size() == 2);
  CHECK(info.total_parameters == 46'764'746);
  CHECK(info.macs == 938'146'176);
}

TEST_CASE("AlexNet's activation, pooling and dropout can be exchanged", "[models][CN3]") {
  const auto net = make_model("alexnet_d2l", {.image_size = 96, .dropout = {0.1}, .activation = "tanh", .pool = "avg"});
  const std::string text = to_string(*net);
  CHECK(text.find("Tanh()") != text.npos);
  CHECK(text.find("AvgPool2d(") != text.npos);
  CHECK(text.find("Dropout(p = 0.1)") != text.npos);
  CHECK(text.find("ReLU") == text.npos);
  CHECK(text.find("MaxPool2d") == text.npos);
}

TEST_CASE("AlexNet is 758 times LeNet in parameters and 2252 times in MACs", "[models][CN4]") {
  const ModelEntry &large = find_model("alexnet_d2l"), &small = find_model("lenet");
  CHECK(std::round(static_cast<double>(large.parameters) / small.parameters) == 758);
  CHECK(std::round(static_cast<double>(large.macs) / small.macs) == 2252);
}

TEST_CASE("VGG-11 has the lecture notes' shapes, parameters and MACs", "[models][CN5]") {
  const ModelInfo info = describe_model("vgg11_d2l");
  CHECK(shapes_of(info, {"MaxPool2d"}) ==
        std::vector<Shape>{{64, 112, 112}, {128, 56, 56}, {256, 28, 28}, {512, 14, 14}, {512, 7, 7}});
  CHECK(shapes_of(info, {"Flatten", "Linear"}) == std::vector<Shape>{{25088}, {4096}, {4096}, {10}});
  CHECK(info.total_parameters == 128'806'154);
  CHECK(info.macs == 7'547'232'256);
}

TEST_CASE("VGG-11 with a quarter of the channels, VGG-16 and VGG-19 have their parameters", "[models][CN6][CN7]") {
  CHECK(describe_model("vgg11_d2l_quarter").total_parameters == 43'093'322);
  const ModelInfo vgg16 = describe_model("vgg16_d2l"), vgg19 = describe_model("vgg19_d2l");
  CHECK(vgg16.total_parameters == 134'300'362);
  CHECK(shapes_of(vgg16, {"Conv2d"}).size() == 13);
  CHECK(vgg19.total_parameters == 139'610'058);
  CHECK(shapes_of(vgg19, {"Conv2d"}).size() == 16);
}

TEST_CASE("two 3 x 3 convolutions see 5 x 5 pixels with 18 C² weights instead of 25 C²", "[models][CN8]") {
  constexpr std::int64_t kChannels = 4;
  nn::Conv2d first({.in = kChannels, .out = kChannels, .kernel = 3, .bias = false});
  nn::Conv2d second({.in = kChannels, .out = kChannels, .kernel = 3, .bias = false});
  nn::Conv2d wide({.in = kChannels, .out = kChannels, .kernel = 5, .bias = false});
  CHECK(first.parameter_count() + second.parameter_count() == 18 * kChannels * kChannels);
  CHECK(wide.parameter_count() == 25 * kChannels * kChannels);
  // The pixels that the middle output depends on are those with a gradient.
  Tensor x = images({1, kChannels, 9, 9});
  x.set_requires_grad();
  const Tensor y = second(first(x));  // (1, 4, 5, 5)
  sum(y.slice(2, 2, 3).slice(3, 2, 3)).backward();
  const std::vector<double> gradient = x.grad().to_vector();
  for (int h = 0; h < 9; ++h)
    for (int w = 0; w < 9; ++w)
      CHECK((gradient[static_cast<std::size_t>(9 * h + w)] != 0) == (h >= 2 && h < 7 && w >= 2 && w < 7));
}

TEST_CASE("NiN has the lecture notes' shapes, parameters and MACs", "[models][CN9]") {
  const ModelInfo info = describe_model("nin_d2l");
  CHECK(shapes_of(info, {"MaxPool2d", "GlobalAvgPool2d", "Flatten"}) ==
        std::vector<Shape>{{96, 26, 26}, {256, 12, 12}, {384, 5, 5}, {10, 1, 1}, {10}});
  const std::vector<Shape> convolutions = shapes_of(info, {"Conv2d"});
  REQUIRE(convolutions.size() == 12);
  for (int block = 0; block < 4; ++block) {
    const Shape wanted[] = {{96, 54, 54}, {256, 26, 26}, {384, 12, 12}, {10, 5, 5}};
    for (int layer = 0; layer < 3; ++layer)
      CHECK(convolutions[static_cast<std::size_t>(3 * block + layer)] == wanted[block]);
  }
  CHECK(info.total_parameters == 1'992'166);
  CHECK(info.macs == 762'297'352);
  // The last block ends with ReLU, so logits are never negative.
  const auto net = make_model("nin_d2l", {.image_size = 96});
  const std::vector<double> logits = (*net)(images({2, 1, 96, 96})).to_vector();
  CHECK(*std::ranges::min_element(logits) >= 0);
}

TEST_CASE("lecture nets take other channels, classes and sizes", "[models]") {
  for (const char* name : {"alexnet_d2l", "vgg11_d2l_quarter", "nin_d2l"}) {
    INFO(name);
    const ModelOptions options{.in_channels = 3, .image_size = 96, .classes = 7};
    const auto net = make_model(name, options);
    CHECK((*net)(images({2, 3, 96, 96})).shape() == Shape{2, 7});
  }
}

TEST_CASE("an image too small for a net is an error that names the layer where it vanishes", "[models]") {
  CHECK_THROWS_WITH(make_model("alexnet_d2l", {.image_size = 28}),
                    contains("features.5: max_pool2d: x (0, 256, 2, 2)") && contains("smaller than the kernel"));
  CHECK_THROWS_WITH(make_model("vgg11_d2l", {.image_size = 28}), contains("features.20: max_pool2d"));
  CHECK_THROWS_WITH(make_model("nin_d2l", {.image_size = 28}), contains("features.3: max_pool2d"));
}
