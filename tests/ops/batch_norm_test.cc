// Batch normalisation beyond its rows in the op table: PyTorch's conventions, fused against unfused, digits where the
// mean is large, what is kept for backward, and what is refused.
#include "core/ops/batch_norm.h"

#include <cmath>
#include <cstring>
#include <functional>

#include "core/autograd.h"
#include "core/ops/copy.h"
#include "core/ops/elementwise.h"
#include "core/ops/random.h"
#include "core/runtime/runtime.h"
#include "tests/catch.h"

using namespace weft;

namespace {

constexpr TensorOptions kF64 = {.dtype = DType::f64};

Tensor wave(const Shape& shape, double phase, double add = 0) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < shape.elements(); ++i) values.push_back(std::sin(0.7 * double(i) + phase) + add);
  return tensor(shape, values, kF64);
}
Tensor random_normal(const Shape& shape, std::uint64_t seed, double std = 1, double mean = 0) {
  const Tensor x = empty(shape);
  normal_(x, mean, std, {seed});
  return x;
}
Tensor random_uniform(const Shape& shape, std::uint64_t seed, double low, double high) {
  const Tensor x = empty(shape);
  uniform_(x, low, high, {seed});
  return x;
}
Tensor leaf(const Tensor& x) { return x.clone().set_requires_grad(); }
double checksum(const Tensor& x) {
  double sum = 0, i = 0;
  for (const double v : x.to_vector()) sum += v * std::cos(0.3 * i++);
  return sum;
}
bool same_bits(const Tensor& a, const Tensor& b) {
  const Tensor x = a.contiguous(), y = b.contiguous();
  return x.shape() == y.shape() && x.dtype() == y.dtype() && std::memcmp(x.raw(), y.raw(), x.bytes()) == 0;
}

// Checksums of y, of the gradients of x, weight and bias, and of the running statistics afterwards. The numbers are
// printed by tests/golden/nets.py.
void check_pytorch(const Shape& shape, bool relu, BatchNormOptions options, const std::vector<double>& expected) {
  const Shape channels = {shape[1]};
  const Tensor x = leaf(wave(shape, 0)), weight = leaf(wave(channels, 2)), bias = leaf(wave(channels, 3));
  const RunningStatistics running = {wave(channels, 4), wave(channels, 5, 2)};
  const Tensor y =
      relu ? batch_norm_relu(x, weight, bias, running, options) : batch_norm(x, weight, bias, running, options);
  y.backward(wave(shape, 9));
  const Tensors results = {y, x.grad(), weight.grad(), bias.grad(), running.mean, running.variance};
  for (std::size_t i = 0; i < results.size(); ++i)
    CHECK(checksum(results[i]) == Approx(expected[i]).epsilon(1e-10).margin(1e-10));
}

struct Step {
  Tensor y;
  Tensors gradients;
};
// y and the gradients of copies of the inputs.
Step step(const Tensors& inputs, const Tensor& dy, const std::function<Tensor(const Tensors&)>& op) {
  Tensors leaves;
  for (const Tensor& x : inputs) leaves.push_back(leaf(x));
  Step out{op(leaves), {}};
  out.y.backward(dy);
  for (const Tensor& x : leaves) out.gradients.push_back(x.grad());
  return out;
}
void check_equal(const Step& a, const Step& b) {
  CHECK(same_bits(a.y, b.y));
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    INFO("gradient " << i);
    CHECK(same_bits(a.gradients[i], b.gradients[i]));
  }
}

// Mean and biased variance of channel c, in double, in two passes.
std::pair<double, double> moments(const Tensor& x, std::int64_t c) {
  const std::vector<double> values = x.select(1, c).to_vector();
  double mean = 0, variance = 0;
  for (const double v : values) mean += v / double(values.size());
  for (const double v : values) variance += (v - mean) * (v - mean) / double(values.size());
  return {mean, variance};
}

}  // namespace

TEST_CASE("batch normalisation follows PyTorch's conventions", "[ops][B1]") {
  const BatchNormOptions train = {.training = true}, eval = {.training = false};
  const BatchNormOptions quick = {.training = true, .momentum = 0.3, .eps = 1e-3};
  const Shape features = {6, 5}, images = {2, 3, 4, 5};
  check_pytorch(features, false, quick,
                {0.129009395305, 0.853303898396, -14.4881293668, 0.121455728023, -1.55994442999, 5.57034711243});
  check_pytorch(features, true, train,
                {0.969665297192, 0.562248515068, -2.65145804922, 0.0404959219363, -2.04267744148, 6.49373033212});
  check_pytorch(features, false, eval,
                {0.620128588271, 0.146350697406, -7.67168627971, 0.121455728023, -2.28404394723, 6.95542194196});
  check_pytorch(images, false, quick,
                {3.1535112586, 2.04886173751, -71.2149342439, -0.612019487077, -1.63304966539, 3.34782444131});
  check_pytorch(images, true, train,
                {-0.634191628382, 1.44542874589, -17.9754942249, -14.0010480397, -2.11092037053, 3.89762291389});
  check_pytorch(images, false, eval,
                {1.03081247082, 0.0419379470384, -42.7312109439, -0.612019487077, -2.3498557231, 4.17252215018});
}

TEST_CASE("normalised features of two samples are minus one and one", "[ops][B1]") {
  const Tensor x = tensor({2, 2}, {1, 2, 2, 3});
  RunningStatistics book = {zeros({2}), ones({2})}, torch = {zeros({2}), ones({2})};
  const Tensor y = batch_norm(x, ones({2}), zeros({2}), book, {.training = true, .moving = MovingVariance::biased});
  const double one = 0.5 / std::sqrt(0.25 + 1e-5);  // .99998
  const std::vector<double> expected = {-one, -one, one, one};
  for (std::size_t i = 0; i < 4; ++i) CHECK(y.to_vector()[i] == Approx(expected[i]).epsilon(1e-6));
  batch_norm(x, {}, {}, torch, {.training = true});
  for (const int c : {0, 1}) {
    CHECK(book.mean.to_vector()[std::size_t(c)] == Approx(c == 0 ? 0.15 : 0.25).epsilon(1e-6));
    CHECK(book.variance.to_vector()[std::size_t(c)] == Approx(0.925).epsilon(1e-6));
    CHECK(torch.variance.to_vector()[std::size_t(c)] == Approx(0.95).epsilon(1e-6));
  }
}

TEST_CASE("each channel of normalised images has mean 0 and variance 1", "[ops][B1]") {
  const Tensor x = random_normal({8, 5, 6, 7}, 3, 2.5, 4);
  const Tensor y = batch_norm(x, {}, {}, {}, {.training = true});
  for (std::int64_t c = 0; c < 5; ++c) {
    const auto [mean, variance] = moments(y, c);
    CHECK(mean == Approx(0).margin(1e-6));
    CHECK(variance == Approx(1).epsilon(1e-4));
  }
}

TEST_CASE("fused batch normalisation has the bits of its parts", "[ops]") {
  for (const bool training : {true, false})
    for (const bool last : {false, true})
      for (const Shape& shape : {Shape{3, 70, 5, 4}, Shape{20, 6}}) {
        if (last && shape.rank() == 2) continue;
        const auto form = [last](const Tensor& t) { return last ? t.to(MemoryFormat::channels_last) : t; };
        const Tensor x = form(random_normal(shape, 1)), other = form(random_normal(shape, 2));
        const Tensor dy = form(random_normal(shape, 3));
        const Shape channels = {shape[1]};
        const Tensor weight = random_uniform(channels, 4, 0.5, 1.5), bias = random_normal(channels, 5);
        const BatchNormOptions o = {.training = training};
        const auto running = [&] { return RunningStatistics{zeros(channels), ones(channels)}; };
        check_equal(step({x, weight, bias}, dy,
                         [&](const Tensors& in) { return batch_norm_relu(in[0], in[1], in[2], running(), o); }),
                    step({x, weight, bias}, dy,
                         [&](const Tensors& in) { return relu(batch_norm(in[0], in[1], in[2], running(), o)); }));
        check_equal(
            step({x, other, weight, bias}, dy,
                 [&](const Tensors& in) { return batch_norm_add_relu(in[0], in[1], in[2], in[3], running(), o); }),
            step({x, other, weight, bias}, dy,
                 [&](const Tensors& in) { return add_relu(batch_norm(in[0], in[2], in[3], running(), o), in[1]); }));
        check_equal(step({x, other}, dy, [](const Tensors& in) { return add_relu(in[0], in[1]); }),
                    step({x, other}, dy, [](const Tensors& in) { return relu(add(in[0], in[1])); }));
      }
}

TEST_CASE("statistics keep their digits where the mean is large", "[ops]") {
  // Noise of deviation 1 around a mean of up to 1e6, and with the first image (or pixel) far from all others.
  const auto check = [](const Tensor& x) {
    for (const MemoryFormat format : {MemoryFormat::contiguous, MemoryFormat::channels_last}) {
      const BatchStatistics batch = batch_statistics(x.to(format));
      INFO(to_string(x.shape()) << ", " << to_string(format));
      for (std::int64_t c = 0; c < x.size(1); ++c) {
        const auto [m, v] = moments(x, c);
        CHECK(batch.mean.to_vector()[std::size_t(c)] == Approx(m).epsilon(1e-7).margin(1e-7));
        CHECK(batch.variance.to_vector()[std::size_t(c)] == Approx(v).epsilon(2e-6));
      }
    }
  };
  for (const Shape& shape : {Shape{16, 3, 40, 41}, Shape{800, 3, 5, 5}, Shape{130, 30, 6, 7}})
    for (const double mean : {0.0, 1e4, 1e6})
      for (const char* first : {"alike", "image", "pixel"}) {
        INFO("mean " << mean << ", first " << first);
        const Tensor x = random_normal(shape, 7) + mean, image = x.slice(0, 0, 1);
        const Tensor pixel = image.slice(2, 0, 1).slice(3, 0, 1);
        if (std::string(first) == "image") copy_(image, zeros(image.shape()));
        if (std::string(first) == "pixel") copy_(pixel, zeros(pixel.shape()));
        check(x);
      }
}

TEST_CASE("batch normalisation keeps its input and two numbers per channel", "[ops]") {
  Allocator& allocator = runtime(DeviceKind::cpu).allocator(0);
  const Tensor x = leaf(random_normal({4, 16, 32, 32}, 1)), other = leaf(random_normal({4, 16, 32, 32}, 2));
  const Tensor weight = leaf(ones({16})), bias = leaf(zeros({16}));
  const std::size_t before = allocator.statistics().live_bytes;
  const Tensor y = batch_norm_add_relu(x, other, weight, bias, {}, {.training = true});
  CHECK(allocator.statistics().live_bytes - before < y.bytes() + 4096);
}

TEST_CASE("known statistics change neither values nor gradients", "[ops]") {
  // The second consumer of a dense block: normalises two maps whose statistics were computed as they were made.
  const Tensor all = random_normal({4, 24, 5, 6}, 1);
  const BatchStatistics parts[] = {batch_statistics(all.slice(1, 0, 16)), batch_statistics(all.slice(1, 16, 24))};
  const BatchStatistics known = concat(parts);
  CHECK(known.values == 4 * 30);
  const Tensor weight = random_uniform({24}, 2, 0.5, 1.5), bias = random_normal({24}, 3),
               dy = random_normal(all.shape(), 4);
  const RunningStatistics plain = {zeros({24}), ones({24}), zeros({}, {.dtype = DType::i64})};
  const RunningStatistics given = {zeros({24}), ones({24}), zeros({}, {.dtype = DType::i64})};
  check_equal(
      step({all, weight, bias}, dy, [&](const Tensors& in) { return batch_norm_relu(in[0], in[1], in[2], plain, {}); }),
      step({all, weight, bias}, dy,
           [&](const Tensors& in) { return batch_norm_relu(in[0], in[1], in[2], given, {}, known); }));
  CHECK(same_bits(plain.mean, given.mean));
  CHECK(same_bits(plain.variance, given.variance));
  CHECK(given.batches.item() == 1);
  // Evaluation does not look at them.
  CHECK(same_bits(batch_norm(all, weight, bias, plain, {.training = false}, known),
                  batch_norm(all, weight, bias, plain, {.training = false})));
  CHECK_THROWS_WITH(batch_norm(all.slice(1, 0, 5), {}, {}, {}, {}, known), contains("of 120 values in 24 channels"));
}

TEST_CASE("16-bit images are normalised with f32 or 16-bit weights", "[ops]") {
  for (const DType dtype : {DType::f16, DType::bf16}) {
    const Tensor x = random_normal({4, 3, 6, 6}, 1).to(dtype), dy = random_normal({4, 3, 6, 6}, 2).to(dtype);
    const Tensor weight = leaf(random_uniform({3}, 3, 0.5, 1.5).to(dtype)), wide = leaf(weight.detach().to(DType::f32));
    const RunningStatistics running = {zeros({3}, {.dtype = dtype}), ones({3}, {.dtype = dtype})};
    const RunningStatistics wide_running = {zeros({3}), ones({3})};
    const Tensor y = batch_norm(x, weight, {}, running, {}), z = batch_norm(x, wide, {}, wide_running, {});
    CHECK(same_bits(y, z));
    y.backward(dy);
    z.backward(dy);
    CHECK(wide.grad().dtype() == DType::f32);
    CHECK(same_bits(weight.grad(), wide.grad().to(dtype)));
    CHECK(same_bits(running.variance, wide_running.variance.to(dtype)));
  }
}

TEST_CASE("batch normalisation says what it cannot do", "[ops]") {
  const Tensor x = ones({2, 3, 4, 4}), c = ones({3});
  CHECK_THROWS_WITH(batch_norm(ones({1, 3}), {}, {}, {}, {}),
                    contains("training needs more than one value per channel, but x is (1, 3)"));
  CHECK(batch_norm(ones({1, 3}), {}, {}, {c, c}, {.training = false}).shape() == Shape{1, 3});
  CHECK_THROWS_WITH(batch_norm(ones({2, 3, 4}), {}, {}, {}, {}), contains("must be (N, C) or (N, C, H, W)"));
  CHECK_THROWS_WITH(batch_norm(x, ones({4}), {}, {}, {}), contains("weight must be (3,) for x (2, 3, 4, 4), not (4,)"));
  CHECK_THROWS_WITH(batch_norm(x, {}, {}, {ones({3}, kF64), {}}, {}), contains("the running mean is f64 and x f32"));
  CHECK_THROWS_WITH(batch_norm(x, {}, {}, {}, {.training = false}), contains("evaluation needs running statistics"));
  CHECK_THROWS_WITH(batch_norm_add_relu(x, ones({3}), {}, {}, {}, {}), contains("addend must have the shape"));
  const RunningStatistics running = {zeros({3}), ones({3})};
  batch_norm(ones({0, 3, 4, 4}), {}, {}, running, {});
  CHECK(running.variance.to_vector() == std::vector<double>{1, 1, 1});
  // A gradient through running statistics that have moved on would be wrong.
  const Tensor leaf_x = leaf(x), y = batch_norm(leaf_x, {}, {}, running, {.training = false});
  batch_norm(x, {}, {}, running, {.training = true});
  CHECK_THROWS_WITH(y.backward(ones(x.shape())), contains("has overwritten since"));
}
