// The ImageNet nets: sizes that torchvision and timm count, auxiliary heads, and that nothing converts a layout inside.
#include <algorithm>
#include <map>

#include "core/autograd.h"
#include "core/kernel_slot.h"
#include "core/ops/copy.h"
#include "core/ops/loss.h"
#include "core/ops/random.h"
#include "core/profile.h"
#include "models/registry.h"
#include "nn/nn.h"
#include "tests/catch.h"

using namespace weft;
using namespace weft::models;

namespace {

Tensor images(const Shape& shape) {
  const Tensor x = empty(shape);
  uniform_(x, 0, 1, {6, 1});
  return x;
}

Tensor classes(std::int64_t n) { return zeros({n}, {.dtype = DType::i64}); }

// The layers in which images were copied into another format, a name per copy.
std::vector<std::string>& conversions() {
  static std::vector<std::string> layers;
  return layers;
}

// A candidate that sees every copy first, and leaves it to the next.
std::string note_conversion(const Tensor& x, const Tensor& y) {
  if (x.rank() == 4 && x.format() != y.format()) conversions().emplace_back(current_layer());
  return "it only looks";
}
const bool looking =
    copy_forward.add({.device = DeviceKind::cpu, .name = "test.looks", .rank = -1, .refuse = note_conversion});

}  // namespace

TEST_CASE("nets without auxiliary heads have the parameters of the nets in use", "[models][I4]") {
  CHECK(describe_model("inception_v3", {.auxiliary = "off"}).total_parameters == 23'834'568);
  CHECK(describe_model("googlenet", {.auxiliary = "off"}).total_parameters == 6'624'904);
}

TEST_CASE("auxiliary heads speak in training alone, and their outputs join the loss", "[models]") {
  const auto net = make_model("googlenet", {.image_size = 64, .classes = 5, .dropout = {0}});
  const std::vector<nn::AuxiliaryHead*> heads = nn::auxiliary_heads(*net);
  REQUIRE(heads.size() == 2);
  const Tensor x = images({2, 3, 64, 64});
  net->eval();
  (*net)(x);
  CHECK_FALSE(heads[0]->take_output().defined());
  net->train();
  const Tensor y = (*net)(x);
  const Tensor first = heads[0]->take_output(), second = heads[1]->take_output();
  CHECK(first.shape() == Shape{2, 5});
  CHECK(second.shape() == Shape{2, 5});
  CHECK_FALSE(heads[0]->take_output().defined());

  const auto loss = [&](const Tensor& logits) { return cross_entropy(logits, classes(2)); };
  const double expected = loss(y).item() + 0.3 * loss(first).item() + 0.3 * loss(second).item();
  const Tensor again = (*net)(x);
  const Tensor total = nn::loss_with_heads(heads, again, loss);
  CHECK(total.item() == Approx(expected).epsilon(1e-5));
  total.backward();
  for (const auto& [name, parameter] : net->named_parameters()) {
    INFO(name);
    CHECK(parameter.grad().defined());
  }
}

TEST_CASE("inside a net no layout is converted after its input", "[models]") {
  const std::map<std::string, std::int64_t> sizes{
      {"alexnet_d2l", 128}, {"vgg11_d2l_quarter", 64},  {"nin_d2l", 96},   {"googlenet_d2l", 64},
      {"resnet18_d2l", 64}, {"densenet_d2l", 64},       {"googlenet", 64}, {"resnet18", 64},
      {"resnet50", 64},     {"densenet121", 64},        {"vgg11_bn", 64},  {"inception_bn", 64},
      {"inception_v3", 96}, {"inception_resnet_v2", 96}};
  for (const auto& [name, size] : sizes) {
    INFO(name);
    const bool has_heads = !find_model(name).defaults.auxiliary.empty();
    const auto net =
        make_model(name, {.in_channels = 3, .image_size = size, .classes = 5, .auxiliary = has_heads ? "off" : ""});
    // Linear layers behind maps of several pixels see them flattened: one conversion there, one of its gradient.
    const bool flattens = name.starts_with("alexnet") || name.starts_with("vgg");
    conversions().clear();
    const Tensor loss = cross_entropy((*net)(images({2, 3, size, size})), classes(2));
    std::vector<std::string> wanted{"format"};
    if (flattens) wanted.push_back("flatten");
    CHECK(conversions() == wanted);
    conversions().clear();
    loss.backward();
    CHECK(conversions().size() == (flattens ? 1 : 0));
  }
}
