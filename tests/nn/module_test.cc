// Modules: names, order, loading, modes, freezing, moving and printing, all from one members() list.
#include "nn/nn.h"

#include <optional>

#include "core/autograd.h"
#include "core/generator.h"
#include "core/ops/elementwise.h"
#include "core/ops/reduce.h"
#include "tests/catch.h"

using namespace weft;
using nn::named;

namespace {

// A module with every kind of member.
class Block final : public nn::Module {
 public:
  explicit Block(bool shortcut) : conv_({.in = 2, .out = 2, .kernel = 1, .bias = false}), scale_(ones({2})) {
    scale_.set_requires_grad();
    if (shortcut) shortcut_.emplace(nn::LinearOptions{.in = 3, .out = 4});
    layers_.emplace_back(nn::LinearOptions{.in = 1, .out = 1});
    layers_.emplace_back(nn::LinearOptions{.in = 1, .out = 2, .bias = false});
  }
  void members(nn::Visitor& v) override {
    v("conv", conv_, "scale", scale_, "mean", nn::buffer(mean_), "shortcut", shortcut_, "layers", layers_);
  }

 protected:
  Tensor forward(const Tensor& x) override { return mul(x, scale_); }

 private:
  nn::Conv2d conv_;
  Tensor scale_, mean_ = zeros({2});
  std::optional<nn::Linear> shortcut_;
  std::vector<nn::Linear> layers_;
};

std::vector<std::string> names(const NamedTensors& list) {
  std::vector<std::string> out;
  for (const NamedTensor& entry : list) out.push_back(entry.name);
  return out;
}

nn::Sequential small_net() {
  return nn::Sequential(nn::Linear({.in = 3, .out = 2}), nn::ReLU(), nn::Linear({.in = 2, .out = 1}));
}

}  // namespace

TEST_CASE("a members list gives names in order", "[nn]") {
  Block block(true);
  using Names = std::vector<std::string>;
  CHECK(names(block.state()) == Names{"conv.weight", "scale", "mean", "shortcut.weight", "shortcut.bias",
                                      "layers.0.weight", "layers.0.bias", "layers.1.weight"});
  CHECK(names(block.named_parameters()) == Names{"conv.weight", "scale", "shortcut.weight", "shortcut.bias",
                                                 "layers.0.weight", "layers.0.bias", "layers.1.weight"});
  CHECK(names(block.named_buffers()) == Names{"mean"});
  CHECK(block.parameter_count() == 4 + 2 + 12 + 4 + 1 + 1 + 2);
  CHECK(names(Block(false).state()) ==
        Names{"conv.weight", "scale", "mean", "layers.0.weight", "layers.0.bias", "layers.1.weight"});
}

TEST_CASE("a sequential names its layers by position or as told", "[nn]") {
  nn::Sequential net = small_net();
  CHECK(names(net.state()) == std::vector<std::string>{"0.weight", "0.bias", "2.weight", "2.bias"});
  nn::Sequential outer(named("features", std::move(net)), named("head", nn::Linear({.in = 1, .out = 1})));
  CHECK(names(outer.state()).front() == "features.0.weight");
  CHECK(names(outer.state()).back() == "head.bias");
  CHECK_THROWS_WITH(outer.add(named("head", nn::ReLU())), contains("'head' is taken"));
  CHECK_THROWS_WITH(outer[2], contains("layer 2 of 2"));
}

TEST_CASE("modules move as values and keep their parameters", "[nn]") {
  nn::Sequential net = small_net();
  const Tensor weight = net.parameters()[0];
  nn::Sequential moved = std::move(net);
  CHECK(moved.parameters()[0].same_as(weight));
  CHECK(moved(ones({4, 3})).shape() == Shape{4, 1});
  static_assert(!std::copy_constructible<nn::Linear>);
}

TEST_CASE("a parameter that is reached twice counts once", "[nn]") {
  class Tied final : public nn::Module {
   public:
    Tied() : first_({.in = 2, .out = 2}) {}
    void members(nn::Visitor& v) override { v("first", first_, "second", first_); }
    Tensor forward(const Tensor& x) override { return first_(first_(x)); }

   private:
    nn::Linear first_;
  };
  Tied tied;
  CHECK(tied.parameters().size() == 2);
  CHECK(tied.state().size() == 4);
  CHECK(tied.parameter_count() == 6);
}

TEST_CASE("load copies values by name and lists what does not fit", "[nn]") {
  nn::Sequential net = small_net();
  nn::Sequential source = small_net();
  const Tensor handle = net.parameters()[0];
  const nn::LoadReport report = net.load(source.state());
  CHECK(report.complete());
  CHECK(net.parameters()[0].same_as(handle));
  for (std::size_t i = 0; i < 4; ++i) CHECK(net.parameters()[i].to_vector() == source.parameters()[i].to_vector());
  CHECK_FALSE(net.parameters()[0].storage() == source.parameters()[0].storage());

  const double before = net.parameters()[1].to_vector()[0];
  NamedTensors bad = source.state();
  bad[0].tensor = ones({2, 4});
  bad[1].tensor = full({2}, before + 1);
  bad[2].name = "3.weight";
  try {
    net.load(bad);
    FAIL("a state that does not fit was taken");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::usage);
    CHECK_THAT(error.what(), contains("missing: 2.weight; unexpected: 3.weight; mismatched: 0.weight: (2, 3) here, "
                                      "(2, 4) given"));
  }
  CHECK(net.parameters()[1].to_vector()[0] == before);  // nothing was changed

  const nn::LoadReport loose = net.load(bad, false);
  CHECK(loose.missing == std::vector<std::string>{"2.weight"});
  CHECK(loose.unexpected == std::vector<std::string>{"3.weight"});
  CHECK(loose.mismatched.size() == 1);
  CHECK(net.parameters()[1].to_vector()[0] == Approx(before + 1));
}

TEST_CASE("load converts to the net's dtype", "[nn]") {
  nn::Linear layer({.in = 2, .out = 1, .bias = false});
  layer.load({{"weight", tensor({1, 2}, {0.5, -3}, {.dtype = DType::f64})}});
  CHECK(layer.weight().dtype() == DType::f32);
  CHECK(layer.weight().to_vector() == std::vector<double>{0.5, -3});
}

TEST_CASE("train and eval reach every module", "[nn][D2]") {
  nn::Sequential net(nn::Dropout(0.5), nn::Sequential(nn::Dropout(0.5)));
  const Tensor x = ones({1000});
  CHECK(net.training());
  CHECK(sum(net(x)).item() != 1000);
  net.eval();
  CHECK_FALSE(net[0].training());
  CHECK(net(x).to_vector() == x.to_vector());
  CHECK(net(x).same_as(x));  // evaluation does not even copy
  net.train();
  const std::vector<double> first = net(x).to_vector();
  CHECK(first != net(x).to_vector());  // every call draws afresh
}

TEST_CASE("dropout masks follow from the seed", "[nn][D1]") {
  nn::Dropout layer(0.3);
  const Tensor x = ones({64});
  manual_seed(5);
  const std::vector<double> first = layer(x).to_vector();
  manual_seed(5);
  CHECK(layer(x).to_vector() == first);
  CHECK_THROWS_WITH(nn::Dropout(1.5), contains("must lie in [0, 1], got 1.5"));
}

TEST_CASE("frozen parameters get no gradient", "[nn]") {
  nn::Sequential net = small_net();
  net[0].set_requires_grad(false);
  sum(net(ones({2, 3}))).backward();
  CHECK_FALSE(net.parameters()[0].grad().defined());
  CHECK(net.parameters()[3].grad().to_vector() == std::vector<double>{2});
  net.zero_grad();
  CHECK_FALSE(net.parameters()[3].grad().defined());
  net.set_requires_grad(true);
  sum(net(ones({2, 3}))).backward();
  CHECK(net.parameters()[0].grad().defined());
}

TEST_CASE("to(dtype) converts in place: handles stay valid, gradients go", "[nn]") {
  nn::Sequential net = small_net();
  const Tensor weight = net.parameters()[0];
  const std::vector<double> values = weight.to_vector();
  sum(net(ones({2, 3}))).backward();
  net.to(DType::f64);
  CHECK(weight.dtype() == DType::f64);
  CHECK(net.parameters()[0].same_as(weight));
  CHECK(weight.to_vector() == values);
  CHECK(weight.requires_grad());
  CHECK_FALSE(weight.grad().defined());
  sum(net(ones({2, 3}, {.dtype = DType::f64}))).backward();
  CHECK(weight.grad().dtype() == DType::f64);
  CHECK_THROWS_WITH(net.to(DType::i32), contains("needs a floating dtype"));
}

TEST_CASE("a net prints its layers and options", "[nn]") {
  nn::Sequential net(nn::Conv2d({.in = 1, .out = 6, .kernel = 5, .padding = 2}), nn::LeakyReLU(0.2),
                     named("head", nn::Sequential(nn::Linear({.in = 4, .out = 2, .bias = false}), nn::Dropout(0.25))));
  CHECK(to_string(net) == R"(Sequential(
  (0): Conv2d(in = 1, out = 6, kernel = (5, 5), padding = (2, 2))
  (1): LeakyReLU(slope = 0.2)
  (head): Sequential(
    (0): Linear(in = 4, out = 2, bias = false)
    (1): Dropout(p = 0.25)
  )
))");
}

TEST_CASE("an observer hears every layer call", "[nn]") {
  struct Recorder final : nn::LayerObserver {
    std::vector<std::string> calls;
    void entered(nn::Module& module, const Tensor&) override { calls.push_back("<" + module.type()); }
    void left(nn::Module& module, const Tensor& y) override { calls.push_back(module.type() + to_string(y.shape())); }
  };
  nn::Sequential net = small_net();
  {
    Recorder recorder;
    net(ones({4, 3}));
    CHECK(recorder.calls == std::vector<std::string>{"<Sequential", "<Linear", "Linear(4, 2)", "<ReLU", "ReLU(4, 2)",
                                                     "<Linear", "Linear(4, 1)", "Sequential(4, 1)"});
  }
  net(ones({4, 3}));  // nobody listens any more
}

TEST_CASE("activations are chosen by name", "[nn][N6]") {
  const Tensor x = tensor({2}, {-1, 2}, {.dtype = DType::f64});
  CHECK((*nn::activation("relu"))(x).to_vector() == std::vector<double>{0, 2});
  CHECK((*nn::activation("none"))(x).same_as(x));
  CHECK((*nn::activation("elu"))(x).to_vector()[0] == Approx(-0.63212056));
  CHECK((*nn::activation("leaky_relu"))(x).to_vector()[0] == Approx(-0.01));
  CHECK((*nn::activation("sigmoid"))(x).to_vector()[0] == Approx(1 - 0.73105858));
  CHECK((*nn::activation("tanh"))(x).to_vector()[0] == Approx(-0.76159416));
  CHECK_THROWS_WITH(nn::activation("rely"), contains("unknown activation 'rely'; did you mean 'relu'?"));
}
