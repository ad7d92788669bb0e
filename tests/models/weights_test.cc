#include "models/weights.h"

#include "nn/nn.h"
#include "tests/catch.h"

namespace weft::models {
namespace {

// A net with the parameter names and shapes that are asked for.
class Named final : public nn::Module {
 public:
  explicit Named(const std::vector<std::pair<std::string, Shape>>& parameters) {
    for (const auto& [name, shape] : parameters) members_.push_back({name, full(shape, 0.5)});
  }
  void members(nn::Visitor& visitor) override {
    for (auto& [name, tensor] : members_) visitor(name, tensor);
  }
  Tensor values(const std::string& name) {
    for (const NamedTensor& entry : state())
      if (entry.name == name) return entry.tensor;
    throw std::runtime_error("no tensor " + name);
  }

 protected:
  Tensor forward(const Tensor& x) override { return x; }

 private:
  NamedTensors members_;
};

std::vector<std::string> names(const NamedTensors& tensors) {
  std::vector<std::string> list;
  for (const NamedTensor& entry : tensors) list.push_back(entry.name);
  return list;
}

NamedTensors tensors(const std::vector<std::string>& list) {
  NamedTensors out;
  for (const std::string& name : list) out.push_back({name, ones({2})});
  return out;
}

}  // namespace

TEST_CASE("names of torchvision's first DenseNet become today's") {
  Named net({{"features.denseblock1.denselayer1.norm1.weight", {2}},
             {"features.denseblock1.denselayer1.conv2.weight", {2}},
             {"features.norm5.bias", {2}}});
  const NamedTensors old = tensors({"features.denseblock1.denselayer1.norm.1.weight",
                                    "features.denseblock1.denselayer1.conv.2.weight", "features.norm5.bias"});
  CHECK(names(adapt_names(net, old, "f")) == names(net.state()));
  load_weights(net, old, "f", 2);
  CHECK(net.values("features.denseblock1.denselayer1.norm1.weight").to_vector() == std::vector<double>{1, 1});
}

TEST_CASE("timm's VGG fits torchvision's, its convolutions over the whole map as linear layers") {
  Named net({{"classifier.0.weight", {2, 12}}, {"classifier.3.weight", {2, 2}}, {"classifier.6.bias", {2}}});
  const Tensor filter = tensor({2, 3, 2, 2}, std::vector<double>(24, 7));
  const NamedTensors timm = {
      {"pre_logits.fc1.weight", filter}, {"pre_logits.fc2.weight", ones({2, 2, 1, 1})}, {"head.fc.bias", ones({2})}};
  load_weights(net, timm, "f", 2);
  CHECK(net.values("classifier.0.weight").to_vector() == filter.to_vector());
  CHECK(net.values("classifier.6.bias").to_vector() == std::vector<double>{1, 1});
}

TEST_CASE("prefixes of wrapped nets go, one upon the other, and a net's own names stay") {
  Named net({{"fc.weight", {2}}});
  CHECK(names(adapt_names(net, tensors({"module.fc.weight"}), "f")) == std::vector<std::string>{"fc.weight"});
  CHECK(names(adapt_names(net, tensors({"module._orig_mod.fc.weight"}), "f")) == std::vector<std::string>{"fc.weight"});
  Named own({{"module.fc.weight", {2}}, {"a.norm.1.weight", {2}}});
  CHECK(names(adapt_names(own, tensors({"module.fc.weight", "a.norm.1.weight"}), "f")) == names(own.state()));
  // Both are given: the second is an unexpected one, never a silent choice.
  CHECK(names(adapt_names(net, tensors({"fc.weight", "module.fc.weight"}), "f")) ==
        std::vector<std::string>{"fc.weight", "module.fc.weight"});
}

TEST_CASE("auxiliary heads are left out of a net without them, and kept by one with them") {
  const NamedTensors given = tensors({"fc.weight", "aux1.fc1.weight", "AuxLogits.fc.weight"});
  Named without({{"fc.weight", {2}}}), with({{"fc.weight", {2}}, {"aux1.fc1.weight", {2}}});
  CHECK(names(adapt_names(without, given, "f")) == std::vector<std::string>{"fc.weight"});
  CHECK(names(adapt_names(with, given, "f")) == std::vector<std::string>{"fc.weight", "aux1.fc1.weight"});
}

TEST_CASE("a head for another number of classes is replaced when asked, and nothing else is") {
  const NamedTensors given = {{"conv.weight", ones({4, 3})}, {"fc.weight", ones({1000, 4})}, {"fc.bias", ones({1000})}};
  Named net({{"conv.weight", {4, 3}}, {"fc.weight", {10, 4}}, {"fc.bias", {10}}});
  CHECK_THROWS_WITH(load_weights(net, given, "f", 10), contains("fc.weight: (10, 4) here, (1000, 4) given"));
  CHECK(net.values("conv.weight").to_vector()[0] == 0.5);
  load_weights(net, given, "f", 10, Head::replaced);
  CHECK(net.values("conv.weight").to_vector()[0] == 1);
  CHECK(net.values("fc.weight").to_vector() == std::vector<double>(40, 0.5));
  CHECK(net.values("fc.bias").to_vector() == std::vector<double>(10, 0.5));
  // Another width in front of the head is another net.
  Named wider({{"conv.weight", {4, 3}}, {"fc.weight", {10, 5}}, {"fc.bias", {10}}});
  CHECK_THROWS_WITH(load_weights(wider, given, "f", 10, Head::replaced), contains("fc.weight: (10, 5) here"));
}

TEST_CASE("a file without num_batches_tracked fits") {
  nn::BatchNorm norm({.features = 2});
  NamedTensors state;
  for (const NamedTensor& entry : norm.state())
    if (entry.name != "num_batches_tracked") state.push_back(entry);
  REQUIRE(state.size() == 4);
  load_weights(norm, state, "f", 2);
}

}  // namespace weft::models
