// The summary listens to one evaluation pass and leaves no trace.
#include "nn/summary.h"

#include "core/generator.h"
#include "nn/nn.h"
#include "tests/catch.h"

using namespace weft;

TEST_CASE("a summary tells layers, parameters and multiply-accumulates apart", "[nn]") {
  nn::Sequential net(nn::Conv2d({.in = 2, .out = 4, .kernel = 3, .padding = 1, .groups = 2}), nn::GlobalAvgPool2d(),
                     nn::Flatten(), nn::named("head", nn::Sequential(nn::Linear({.in = 4, .out = 3}))));
  net[0].set_requires_grad(false);
  const nn::Summary summary = nn::summarize(net, {5, 2, 8, 6});
  REQUIRE(summary.layers.size() == 4);
  CHECK(summary.layers[0].type == "Conv2d");
  CHECK(summary.layers[0].output_shape == Shape{5, 4, 8, 6});
  CHECK(summary.layers[0].parameters == 4 * 9 + 4);
  CHECK(summary.layers[0].macs == 5 * 4 * 8 * 6 * 9);
  CHECK(summary.layers[1].output_shape == Shape{5, 4, 1, 1});
  CHECK(summary.layers[1].macs == 0);
  CHECK(summary.layers[3].name == "head.0");
  CHECK(summary.layers[3].macs == 5 * 12);
  CHECK(summary.macs == summary.layers[0].macs + 60);
  CHECK(summary.total_parameters == 55);
  CHECK(summary.trainable_parameters == 15);
}

TEST_CASE("a summary leaves modes, gradients and random numbers as they were", "[nn]") {
  nn::Sequential net(nn::Dropout(0.5), nn::Sequential(nn::Dropout(0.5), nn::Linear({.in = 2, .out = 1})));
  net[1].eval();
  const std::uint64_t before = default_generator().next;
  nn::summarize(net, {1, 2});
  CHECK(default_generator().next == before);
  CHECK(net.training());
  CHECK(net[0].training());
  CHECK_FALSE(net[1].training());
  CHECK_FALSE(net.parameters()[0].grad().defined());
}
