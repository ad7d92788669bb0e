// Layer and group normalisation beyond their rows in the op table: digits, threads, and what is refused.
#include "core/ops/layer_norm.h"

#include <cmath>
#include <cstring>

#include "core/ops/elementwise.h"
#include "core/ops/group_norm.h"
#include "core/ops/random.h"
#include "core/parallel.h"
#include "nn/group_norm.h"
#include "nn/layer_norm.h"
#include "tests/catch.h"

using namespace weft;

namespace {

Tensor noise(const Shape& shape, std::uint64_t seed, double mean = 0) {
  const Tensor x = empty(shape);
  normal_(x, mean, 1, {seed});
  return x;
}

}  // namespace

TEST_CASE("rows keep their digits where the mean is large", "[ops]") {
  for (const Shape& shape : {Shape{7, 50}, Shape{2, 4096}}) {
    const Tensor x = noise(shape, 1) + 1e5, y = layer_norm(x, {}, {});
    const std::vector<double> in = x.to_vector(), out = y.to_vector();
    const auto columns = std::size_t(shape[1]);
    for (std::size_t row = 0; row < std::size_t(shape[0]); ++row) {
      double mean = 0, variance = 0;
      for (std::size_t i = 0; i < columns; ++i) mean += in[row * columns + i] / double(columns);
      for (std::size_t i = 0; i < columns; ++i) variance += std::pow(in[row * columns + i] - mean, 2) / double(columns);
      // The mean is rounded to f32, whose numbers near 1e5 are 1/128 apart.
      for (std::size_t i = 0; i < columns; ++i)
        REQUIRE(out[row * columns + i] ==
                Approx((in[row * columns + i] - mean) / std::sqrt(variance + 1e-5)).margin(0.6 / 128));
    }
  }
}

TEST_CASE("layer and group normalisation have the same bits for any number of threads", "[ops][threads]") {
  const Tensor x = noise({600, 96}, 1), images = noise({9, 24, 17, 19}, 2);
  const auto all = [&] {
    Tensors out;
    const auto run = [&](const Tensor& in, const Shape& channels, auto&& op) {
      const Tensor leaf = in.clone().set_requires_grad(), w = noise(channels, 3).set_requires_grad(),
                   b = noise(channels, 4).set_requires_grad();
      const Tensor y = op(leaf, w, b);
      y.backward(noise(y.shape(), 5));
      out.insert(out.end(), {y, leaf.grad(), w.grad(), b.grad()});
    };
    run(x, {96}, [](const Tensor& t, const Tensor& w, const Tensor& b) { return layer_norm(t, w, b); });
    run(images, {24},
        [](const Tensor& t, const Tensor& w, const Tensor& b) { return group_norm(t, w, b, {.groups = 4}); });
    return out;
  };
  const int before = threads();
  set_threads(1);
  const Tensors one = all();
  for (const int count : {2, 5}) {
    set_threads(count);
    const Tensors many = all();
    for (std::size_t i = 0; i < one.size(); ++i) CHECK(std::memcmp(one[i].raw(), many[i].raw(), one[i].bytes()) == 0);
  }
  set_threads(before);
}

TEST_CASE("layer and group normalisation keep formats and say what they cannot do", "[ops][nn]") {
  const Tensor x = noise({2, 6, 4, 5}, 1);
  const Tensor last = group_norm(x.to(MemoryFormat::channels_last), {}, {}, {.groups = 2});
  CHECK(last.channels_last());
  CHECK(last.to_vector() == group_norm(x, {}, {}, {.groups = 2}).to_vector());
  CHECK_THROWS_WITH(group_norm(x, {}, {}, {.groups = 4}), contains("groups = 4 must divide the 6 channels"));
  CHECK_THROWS_WITH(group_norm(x, ones({5}), {}, {.groups = 2}), contains("weight must be (6,)"));
  CHECK_THROWS_WITH(layer_norm(x, {}, {}, {.axes = 5}), contains("has no 5 last axes"));
  CHECK_THROWS_WITH(layer_norm(x, {}, ones({4}), {}), contains("bias must have the shape of a row (5,)"));
  nn::LayerNorm layer({.shape = {4, 5}});
  CHECK(layer(x).to_vector() == layer_norm(x, {}, {}, {.axes = 2}).to_vector());
  CHECK(layer.parameter_count() == 40);
  CHECK(nn::to_string(layer) == "LayerNorm((4, 5))");
  CHECK_THROWS_WITH(layer(ones({4})), contains("must end in (4, 5)"));
  nn::GroupNorm group({.groups = 3, .features = 6, .affine = false});
  CHECK(group.parameter_count() == 0);
  CHECK(nn::to_string(group) == "GroupNorm(groups = 3, 6, affine = false)");
  CHECK(group(x).to_vector() == group_norm(x, {}, {}, {.groups = 3}).to_vector());
}
