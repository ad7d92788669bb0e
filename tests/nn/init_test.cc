// Initial values: moments and bounds against the formulas of their papers, and the same bits for the same seed.
#include "nn/init.h"

#include <algorithm>
#include <cmath>

#include "core/generator.h"
#include "core/ops/elementwise.h"
#include "core/ops/matmul.h"
#include "nn/nn.h"
#include "tests/catch.h"

using namespace weft;
namespace init = weft::nn::init;

namespace {

struct Moments {
  double mean = 0, std = 0, low = 0, high = 0;
};
Moments moments(const Tensor& x) {
  const std::vector<double> values = x.to_vector();
  const auto n = static_cast<double>(values.size());
  Moments m;
  for (const double v : values) m.mean += v / n;
  for (const double v : values) m.std += (v - m.mean) * (v - m.mean) / n;
  m.std = std::sqrt(m.std);
  m.low = *std::min_element(values.begin(), values.end());
  m.high = *std::max_element(values.begin(), values.end());
  return m;
}

double mean_square(const Tensor& x) {
  const Moments m = moments(x);
  return m.std * m.std + m.mean * m.mean;
}

}  // namespace

TEST_CASE("normal init has the mean and deviation it is given", "[nn][N11]") {
  manual_seed(1);
  const Tensor weight = empty({784, 256});
  init::normal(weight, 0, 0.01);
  const Moments m = moments(weight);
  CHECK(m.std == Approx(0.01).epsilon(0.02));
  CHECK(std::abs(m.mean) < 0.01 / std::sqrt(784 * 256) * 4);
  CHECK(m.high < 0.01 * 6);
}

TEST_CASE("uniform, constant and truncated normal init keep their bounds", "[nn]") {
  const Tensor x = empty({40000});
  init::uniform(x, -2, 1);
  CHECK(moments(x).low >= -2);
  CHECK(moments(x).high < 1);
  CHECK(moments(x).std == Approx(3 / std::sqrt(12.0)).epsilon(0.02));
  init::constant(x, 0.25);
  CHECK(moments(x).low == 0.25);
  CHECK(moments(x).high == 0.25);
  init::zeros(x);
  CHECK(moments(x).high == 0);
  init::truncated_normal(x, 0, 1, -2, 2);
  CHECK(moments(x).low >= -2);
  CHECK(moments(x).high <= 2);
  CHECK(moments(x).std == Approx(0.8796).epsilon(0.02));  // of a unit normal cut at 2
}

TEST_CASE("Xavier init has Glorot's bound and deviation", "[nn][N12]") {
  const Tensor weight = empty({256, 784});
  init::xavier_uniform(weight);
  Moments m = moments(weight);
  CHECK(m.high == Approx(0.0759555).epsilon(1e-3));
  CHECK(m.low == Approx(-0.0759555).epsilon(1e-3));
  CHECK(m.high <= 0.0759556);
  CHECK(m.std == Approx(0.0438529).epsilon(0.01));
  init::xavier_normal(weight);
  CHECK(moments(weight).std == Approx(0.0438529).epsilon(0.01));
  init::xavier_normal(weight, 3);
  CHECK(moments(weight).std == Approx(3 * 0.0438529).epsilon(0.01));
}

TEST_CASE("Kaiming init has He's deviation, over either fan", "[nn][N13]") {
  const Tensor weight = empty({256, 784});
  init::kaiming_normal(weight);
  CHECK(moments(weight).std == Approx(0.0505076).epsilon(0.01));
  init::kaiming_uniform(weight);
  CHECK(moments(weight).std == Approx(0.0505076).epsilon(0.01));
  CHECK(moments(weight).high <= 0.0505077 * std::sqrt(3.0));
  init::kaiming_normal(weight, {.gain = 1, .mode = init::FanMode::out});
  CHECK(moments(weight).std == Approx(1 / 16.0).epsilon(0.01));
  CHECK(init::gain("leaky_relu", 0.2) == Approx(std::sqrt(2 / 1.04)));
  CHECK(init::gain("tanh") == Approx(5.0 / 3));
}

TEST_CASE("fans count the receptive field", "[nn]") {
  const init::Fans fans = init::fans(empty({16, 6, 5, 3}));
  CHECK(fans.in == 6 * 15);
  CHECK(fans.out == 16 * 15);
  CHECK_THROWS_WITH(init::fans(empty({3})), contains("rank 2 or more, got (3,)"));
  CHECK_THROWS_WITH(init::gain("gelo"), contains("no gain is known for 'gelo'"));
}

TEST_CASE("Xavier keeps the variance of a linear net, Kaiming that of a ReLU net", "[nn][N12][N13]") {
  manual_seed(3);
  constexpr int kLayers = 50;
  constexpr std::int64_t kWidth = 400;  // narrow nets scatter: the variance of one layer has deviation √(5 / width)
  const auto ratio_per_layer = [&](bool kaiming, bool activate) {
    Tensor h = empty({16, kWidth});
    init::normal(h);
    const double before = mean_square(h);
    for (int layer = 0; layer < kLayers; ++layer) {
      const Tensor weight = empty({kWidth, kWidth});
      kaiming ? init::kaiming_normal(weight) : init::xavier_normal(weight);
      h = linear(h, weight);
      if (activate) h = relu(h);
    }
    return std::pow(mean_square(h) / before, 1.0 / kLayers);
  };
  CHECK(ratio_per_layer(false, false) == Approx(1).epsilon(0.06));
  CHECK(ratio_per_layer(true, true) == Approx(1).epsilon(0.06));
  CHECK(ratio_per_layer(false, true) == Approx(0.5).epsilon(0.06));
}

TEST_CASE("the same seed gives the same net; parameters draw from streams of their own", "[nn]") {
  const auto first_weights = [](std::uint64_t seed) {
    manual_seed(seed);
    nn::Sequential net(nn::Linear({.in = 5, .out = 4}), nn::Linear({.in = 5, .out = 4}));
    init::initialize(net, "xavier-uniform");
    return net.parameters();
  };
  const Tensors a = first_weights(7), b = first_weights(7), c = first_weights(8);
  CHECK(a[0].to_vector() == b[0].to_vector());
  CHECK(a[0].to_vector() != c[0].to_vector());
  CHECK(a[0].to_vector() != a[2].to_vector());
  manual_seed(0);
}

TEST_CASE("recipes fill weights and leave or clear biases", "[nn]") {
  nn::Sequential net(nn::Linear({.in = 300, .out = 200}), nn::Conv2d({.in = 8, .out = 8, .kernel = 3}));
  const Tensors p = net.parameters();
  const std::vector<double> bias = p[1].to_vector();
  init::initialize(net, "layers");
  CHECK(moments(p[0]).high <= 1 / std::sqrt(300.0));
  init::initialize(net, "book-ch6");
  CHECK(moments(p[0]).std == Approx(std::sqrt(2.0 / 500)).epsilon(0.02));
  CHECK(p[1].to_vector() == bias);
  init::initialize(net, "book-ch3");
  CHECK(moments(p[0]).std == Approx(0.01).epsilon(0.02));
  CHECK(moments(p[1]).high == 0);
  CHECK(moments(p[3]).low == 0);
  init::initialize(net, "normal:0.5");
  CHECK(moments(p[0]).std == Approx(0.5).epsilon(0.02));
  init::initialize(net, "constant:0.125");
  CHECK(p[2].to_vector() == std::vector<double>(8 * 8 * 9, 0.125));
  CHECK_THROWS_WITH(init::initialize(net, "xavier-unifrom"), contains("did you mean 'xavier-uniform'?"));
  CHECK_THROWS_WITH(init::initialize(net, "normal:x"), contains("a number must follow ':'"));
  CHECK_THROWS_WITH(init::initialize(net, "zeros:1"), contains("takes no number"));
}
