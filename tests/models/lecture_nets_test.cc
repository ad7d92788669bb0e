// The convolution nets of the lecture notes: shapes after each stage, parameters and multiply-accumulates as printed
// there or counted by PyTorch, and what happens to images that are too small.
#include <algorithm>
#include <cmath>

#include "core/autograd.h"
#include "core/generator.h"
#include "core/kernel_slot.h"
#include "core/ops/concat.h"
#include "core/ops/loss.h"
#include "core/ops/random.h"
#include "core/ops/reduce.h"
#include "models/densenet.h"
#include "models/googlenet.h"
#include "models/registry.h"
#include "models/resnet.h"
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

// The net's direct parts, in the order they run, for an input of that shape.
std::vector<Shape> stage_shapes(nn::Module& net, const Shape& input) {
  struct Stages final : nn::LayerObserver {
    explicit Stages(nn::Module& net) : net_(net) {}
    void entered(nn::Module&, const Tensor&) override { ++depth_; }
    void left(nn::Module& module, const Tensor& y) override {
      if (--depth_ == 1 && &module != &net_) shapes.push_back(y.shape());
    }
    std::vector<Shape> shapes;

   private:
    nn::Module& net_;
    int depth_ = 0;
  };
  net.eval();
  const NoGrad no_grad;
  Stages stages(net);
  net(zeros(input));
  return stages.shapes;
}

nn::Module& part(nn::Module& net, const std::string& wanted) {
  nn::Module* found = nullptr;
  nn::for_each_module(net, [&](const std::string& path, nn::Module& module) {
    if (path == wanted && !found) found = &module;
  });
  REQUIRE(found);
  return *found;
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
  CHECK(text.find("relu") == text.npos);
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

TEST_CASE("BN-LeNet has the lecture notes' shapes and parameters", "[models][B3]") {
  const ModelInfo info = describe_model("bn_lenet");
  CHECK(shapes_of(info, {"Conv2d", "AvgPool2d"}) ==
        std::vector<Shape>{{6, 24, 24}, {6, 12, 12}, {16, 8, 8}, {16, 4, 4}});
  CHECK(shapes_of(info, {"Flatten", "Linear"}) == std::vector<Shape>{{256}, {120}, {84}, {10}});
  CHECK(shapes_of(info, {"BatchNorm"}).size() == 4);
  CHECK(info.total_parameters == 44'878);
  CHECK(to_string(*make_model("bn_lenet")).find("biased") != std::string::npos);
  CHECK(to_string(*make_model("bn_lenet", {.moving_variance = "unbiased"})).find("biased") == std::string::npos);
  CHECK_THROWS_WITH(make_model("bn_lenet", {.moving_variance = "fair"}),
                    contains("'biased' or 'unbiased', got 'fair'"));
}

TEST_CASE("a bias before batch norm has no gradient and changes no output", "[models][B4]") {
  manual_seed(3);
  nn::Conv2d with({.in = 3, .out = 4, .kernel = 3}), without({.in = 3, .out = 4, .kernel = 3, .bias = false});
  without.load({{"weight", with.weight()}});
  nn::BatchNorm norm({.features = 4});
  for (nn::Module* layer : std::initializer_list<nn::Module*>{&with, &without, &norm}) layer->to(DType::f64);
  const Tensor x = images({8, 3, 6, 6}).to(DType::f64);
  const Tensor y = norm(with(x)), z = norm(without(x));
  const std::vector<double> a = y.to_vector(), b = z.to_vector();
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).margin(1e-12));
  sum(y * images(y.shape(), 2).to(DType::f64)).backward();
  for (const double d : with.bias().grad().to_vector()) CHECK(std::abs(d) < 1e-6);
}

TEST_CASE("an inception block has the lecture notes' parameters and MACs", "[models][I1]") {
  nn::Branches block = inception_d2l(192, {64, 96, 128, 16, 32, 32});
  const nn::Summary summary = nn::summarize(block, {1, 192, 28, 28});
  CHECK(summary.total_parameters == 163'696);
  CHECK(std::round(static_cast<double>(summary.macs) / 1e4) == 12805);  // 128.05 M
  CHECK(nn::output_shape(block, {1, 192, 28, 28}) == Shape{1, 256, 28, 28});
  for (const auto& [kernel, weights, macs] : {std::tuple(3, 442'368, 346.8), std::tuple(5, 1'228'800, 963.4)}) {
    nn::Conv2d plain({.in = 192, .out = 256, .kernel = kernel, .padding = kernel / 2, .bias = false});
    CHECK(plain.parameter_count() == weights);
    CHECK(static_cast<double>(nn::summarize(plain, {1, 192, 28, 28}).macs) / 1e6 == Approx(macs).margin(0.05));
  }
}

TEST_CASE("GoogLeNet has the lecture notes' shapes, parameters and layers", "[models][I2]") {
  const auto net = make_model("googlenet_d2l");
  CHECK(stage_shapes(*net, {1, 1, 96, 96}) == std::vector<Shape>{{1, 1, 96, 96},
                                                                 {1, 64, 24, 24},
                                                                 {1, 192, 12, 12},
                                                                 {1, 480, 6, 6},
                                                                 {1, 832, 3, 3},
                                                                 {1, 1024, 3, 3},
                                                                 {1, 1024, 1, 1},
                                                                 {1, 1024},
                                                                 {1, 10}});
  const ModelInfo info = describe_model("googlenet_d2l");
  CHECK(info.total_parameters == 5'977'530);
  CHECK(std::round(static_cast<double>(info.macs) / 1e6) == 276);
  CHECK(shapes_of(info, {"Conv2d"}).size() == 57);
  CHECK(shapes_of(info, {"Linear"}).size() == 1);
  CHECK(describe_model("googlenet_d2l", {.in_channels = 3, .image_size = 224, .classes = 1000}).total_parameters ==
        6'998'552);
}

TEST_CASE("the later Inceptions have the papers' shapes after each block", "[models][I3][I4][I5][I6]") {
  // A batch of no images: shapes alone, of the blocks that change them.
  const auto changes = [](nn::Module& net, std::int64_t size) {
    std::vector<Shape> shapes;
    for (const Shape& s : stage_shapes(net, {0, 3, size, size}))
      if (s.rank() == 4 && (shapes.empty() || shapes.back() != s)) shapes.push_back(s);
    return shapes;
  };
  const auto bn = make_model("inception_bn");
  std::vector<std::int64_t> channels;
  for (const Shape& s : stage_shapes(*bn, {0, 3, 224, 224}))
    if (s.rank() == 4) channels.push_back(s[1]);
  CHECK(std::vector(channels.end() - 11, channels.end() - 1) ==
        std::vector<std::int64_t>{256, 320, 576, 576, 576, 576, 576, 1024, 1024, 1024});

  const auto v3 = make_model("inception_v3", {.auxiliary = "off"});
  CHECK(v3->parameter_count() == 23'834'568);
  const std::vector<Shape> third = changes(*v3, 299);
  CHECK(std::vector(third.end() - 7, third.end() - 1) ==
        std::vector<Shape>{
            {0, 192, 35, 35}, {0, 256, 35, 35}, {0, 288, 35, 35}, {0, 768, 17, 17}, {0, 1280, 8, 8}, {0, 2048, 8, 8}});
  const auto v4 = make_model("inception_v4");
  const std::vector<Shape> fourth = changes(part(*v4, "features"), 299);
  CHECK(std::vector(fourth.end() - 5, fourth.end()) ==
        std::vector<Shape>{{0, 160, 73, 73}, {0, 192, 71, 71}, {0, 384, 35, 35}, {0, 1024, 17, 17}, {0, 1536, 8, 8}});
  const auto residual = make_model("inception_resnet_v2");
  const std::vector<Shape> last = changes(*residual, 299);
  CHECK(std::vector(last.end() - 5, last.end() - 1) ==
        std::vector<Shape>{{0, 320, 35, 35}, {0, 1088, 17, 17}, {0, 2080, 8, 8}, {0, 1536, 8, 8}});
}

TEST_CASE("the lecture notes' residual block keeps or changes the shape", "[models][R-L1]") {
  Residual same = residual_d2l(3, 3), halved = residual_d2l(3, 6, true, 2);
  CHECK(same(images({4, 3, 6, 6})).shape() == Shape{4, 3, 6, 6});
  CHECK(halved(images({4, 3, 6, 6})).shape() == Shape{4, 6, 3, 3});
  int norms = 0;
  nn::for_each_module(halved, [&](const std::string&, nn::Module& m) { norms += m.type() == "BatchNorm"; });
  CHECK(norms == 2);  // none on the shortcut
}

TEST_CASE("ResNet-18 has the lecture notes' shapes and parameters", "[models][R-L2]") {
  const auto net = make_model("resnet18_d2l", {.image_size = 224});
  CHECK(stage_shapes(*net, {1, 1, 224, 224}) == std::vector<Shape>{{1, 1, 224, 224},
                                                                   {1, 64, 56, 56},
                                                                   {1, 64, 56, 56},
                                                                   {1, 128, 28, 28},
                                                                   {1, 256, 14, 14},
                                                                   {1, 512, 7, 7},
                                                                   {1, 512, 1, 1},
                                                                   {1, 512},
                                                                   {1, 10}});
  CHECK(net->parameter_count() == 11'178'378);
}

TEST_CASE("the small ResNet-18 has the lecture notes' shapes, parameters and MACs", "[models][R-L3]") {
  const auto net = make_model("resnet18_small");
  CHECK(stage_shapes(*net, {1, 1, 28, 28}) == std::vector<Shape>{{1, 1, 28, 28},
                                                                 {1, 64, 28, 28},
                                                                 {1, 64, 28, 28},
                                                                 {1, 128, 14, 14},
                                                                 {1, 256, 7, 7},
                                                                 {1, 512, 4, 4},
                                                                 {1, 512, 1, 1},
                                                                 {1, 512},
                                                                 {1, 10}});
  const ModelInfo info = describe_model("resnet18_small");
  CHECK(info.total_parameters == 11'175'818);
  CHECK(std::round(static_cast<double>(info.macs) / 1e5) == 4558);
}

TEST_CASE("a dense block adds growth channels per layer and a transition halves them", "[models][DN1][DN2]") {
  DenseBlock block({.layers = 2, .in = 3, .growth = 10, .bias = true});
  const Tensor y = block(images({4, 3, 8, 8}));
  CHECK(y.shape() == Shape{4, 23, 8, 8});
  nn::Sequential halving = transition(23, 10, true);
  CHECK(halving(y).shape() == Shape{4, 10, 4, 4});
}

TEST_CASE("a dense block gives the same with statistics per feature and per layer", "[models]") {
  manual_seed(8);
  DenseBlock block({.layers = 3, .in = 4, .growth = 4, .bottleneck = 2});
  const Tensor x = images({4, 4, 6, 6});
  const std::vector<double> y = block(x).to_vector();
  // The plain form: each layer looks at what it is given.
  std::vector<nn::Module*> layers;
  nn::for_each_module(block, [&](const std::string& path, nn::Module& module) {
    if (path.starts_with("denselayer") && path.find('.') == path.npos && module.type() == "DenseLayer")
      layers.push_back(&module);
  });
  REQUIRE(layers.size() == 3);
  Tensor plain = x;
  for (nn::Module* layer : layers) plain = concat({plain, (*layer)(plain)}, 1);
  const std::vector<double> z = plain.to_vector();
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == Approx(z[i]).margin(1e-5));
}

TEST_CASE("a dense block calls kernels as often as it has layers says, not their square", "[models]") {
  struct Calls final : KernelObserver {
    int count = 0;
    void called(const KernelCall&) override { ++count; }
  };
  const auto calls_of = [](int layers) {
    DenseBlock block({.layers = layers, .in = 4, .growth = 4, .bottleneck = 2});
    const Tensor x = images({2, 4, 6, 6}).detach().set_requires_grad();
    Calls heard;
    sum(block(x)).backward();
    return heard.count;
  };
  CHECK(calls_of(12) - calls_of(8) == calls_of(8) - calls_of(4));
}

TEST_CASE("DenseNet has the lecture notes' shapes, parameters and MACs", "[models][DN3]") {
  const auto net = make_model("densenet_d2l");
  nn::Module& features = part(*net, "features");
  CHECK(stage_shapes(features, {1, 1, 96, 96}) == std::vector<Shape>{{1, 64, 48, 48},
                                                                     {1, 64, 48, 48},
                                                                     {1, 64, 24, 24},
                                                                     {1, 192, 24, 24},
                                                                     {1, 96, 12, 12},
                                                                     {1, 224, 12, 12},
                                                                     {1, 112, 6, 6},
                                                                     {1, 240, 6, 6},
                                                                     {1, 120, 3, 3},
                                                                     {1, 248, 3, 3},
                                                                     {1, 248, 3, 3}});
  const ModelInfo info = describe_model("densenet_d2l");
  CHECK(info.total_parameters == 758'226);
  CHECK(std::round(static_cast<double>(info.macs) / 1e6) == 129);
}

TEST_CASE("lecture nets take other channels, classes and sizes", "[models]") {
  for (const char* name : {"alexnet_d2l", "vgg11_d2l_quarter", "nin_d2l", "googlenet_d2l", "resnet18_d2l",
                           "resnet18_small", "densenet_d2l"}) {
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
