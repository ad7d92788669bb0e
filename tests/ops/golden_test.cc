// Convolution, pooling and losses against PyTorch where conventions differ. The tables are printed by
// tests/golden/nets.py, which says what the inputs are and what a checksum is.
#include <cmath>
#include <functional>

#include "core/ops/conv2d.h"
#include "core/ops/group_norm.h"
#include "core/ops/layer_norm.h"
#include "core/ops/loss.h"
#include "core/ops/pool2d.h"
#include "core/ops/softmax.h"
#include "tests/catch.h"

using namespace weft;

namespace {

std::vector<double> wave_values(const Shape& shape, double phase) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < shape.elements(); ++i) values.push_back(std::sin(0.7 * double(i) + phase));
  return values;
}
Tensor wave(const Shape& shape, double phase) {
  return tensor(shape, wave_values(shape, phase), {.dtype = DType::f64}).set_requires_grad();
}

double checksum(const Tensor& x) {
  double sum = 0, i = 0;
  for (const double v : x.to_vector()) sum += v * std::cos(0.3 * i++);
  return sum;
}

// Checksums of y and of each input's gradient.
void check(const Tensor& y, const std::vector<Tensor>& inputs, const std::vector<double>& expected) {
  y.backward(wave(y.shape(), 9).detach());
  REQUIRE(expected.size() == inputs.size() + 1);
  CHECK(checksum(y) == Approx(expected[0]).epsilon(1e-10).margin(1e-10));
  for (std::size_t i = 0; i < inputs.size(); ++i)
    CHECK(checksum(inputs[i].grad()) == Approx(expected[i + 1]).epsilon(1e-10).margin(1e-10));
}

void check_conv(const Shape& x_shape, const Shape& weight_shape, Conv2dOptions options,
                const std::vector<double>& expected) {
  for (const MemoryFormat format : {MemoryFormat::contiguous, MemoryFormat::channels_last}) {
    const Tensor x = wave(x_shape, 0), weight = wave(weight_shape, 1), bias = wave({weight_shape[0]}, 2);
    const Tensor y = conv2d(x.to(format), weight, bias, options);
    CHECK(y.format() == format);
    check(y, {x, weight, bias}, expected);
  }
}

using Pool = Tensor (*)(const Tensor&);
void check_pool(const Tensor& values, Pool pool, const std::vector<double>& expected) {
  for (const MemoryFormat format : {MemoryFormat::contiguous, MemoryFormat::channels_last}) {
    const Tensor x = values.detach().clone().set_requires_grad();
    check(pool(x.to(format)), {x}, expected);
  }
}

// Expected: one row for each of the reductions none, mean and sum; both x and target get gradients.
using Rows = std::vector<std::vector<double>>;
using Loss = Tensor (*)(const Tensor&, const Tensor&, Reduction);
void check_pairs(Loss loss, const Rows& expected) {
  for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
    const Tensor x = wave({3, 4}, 0), target = wave({3, 4}, 1);
    check(loss(x, target, reduction), {x, target}, expected[std::size_t(reduction)]);
  }
}
void check_classes(const Shape& logits, const Tensor& target, double smoothing, const Rows& expected) {
  for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
    const Tensor x = wave(logits, 0);
    check(cross_entropy(x, target, {.label_smoothing = smoothing, .reduction = reduction}), {x},
          expected[std::size_t(reduction)]);
  }
}

}  // namespace

TEST_CASE("convolution options mean what they mean in PyTorch", "[ops][C3]") {
  check_conv({2, 3, 7, 6}, {4, 3, 3, 3}, {.stride = {2, 1}, .padding = {1, 2}},
             {-4.50914195074, 4.42944604308, -1.51278843179, -2.1573825498});
  check_conv({2, 4, 8, 9}, {6, 2, 3, 2}, {.padding = 1, .groups = 2},
             {-3.35436473633, -4.65454860214, -10.5675677245, -0.137069171899});
  check_conv({1, 2, 9, 11}, {3, 2, 3, 3}, {.stride = 2, .padding = {1, 3}, .dilation = {2, 3}},
             {11.1732696543, 0.0728298059267, 1.64113820426, -0.108249461128});
  check_conv({2, 5, 6, 6}, {10, 1, 3, 3}, {.groups = 5}, {1.91396612159, 4.63375538417, 0.280817288246, 1.40641629159});
}

TEST_CASE("pooling treats borders and equal elements as PyTorch does", "[ops][C7][C8]") {
  const Tensor x = wave({2, 3, 7, 8}, 0);
  const Pool bordered = [](const Tensor& t) { return max_pool2d(t, {.kernel = 3, .stride = 2, .padding = 1}); };
  check_pool(x, bordered, {0.833676128951, 0.0355048180794});
  std::vector<double> equal = wave_values({1, 2, 6, 6}, 0);
  for (double& v : equal) v = std::nearbyint(2 * v);
  const Pool dense = [](const Tensor& t) { return max_pool2d(t, {.kernel = 3, .stride = 1}); };
  check_pool(tensor({1, 2, 6, 6}, equal, {.dtype = DType::f64}), dense, {0.831238755957, -1.90259781812});
  const Pool average = [](const Tensor& t) {
    return avg_pool2d(t, {.kernel = {3, 2}, .stride = {2, 1}, .padding = 1});
  };
  check_pool(x, average, {1.92270084752, 0.180723794955});
  const Pool inside = [](const Tensor& t) {
    return avg_pool2d(t, {.kernel = 3, .stride = 2, .padding = 1, .count_include_pad = false});
  };
  check_pool(x, inside, {1.50819028766, -1.62069192827});
}

TEST_CASE("cross-entropy reduces and smooths as PyTorch does", "[ops][L2][L8]") {
  check_classes(
      {4, 5}, tensor({4}, {3, 0, 4, 1}, {.dtype = DType::i64}), 0.1,
      {{6.34899756853, 0.0423046643132}, {1.93729023694, -0.0332389662882}, {7.74916094776, -0.132955865153}});
  std::vector<double> logits = wave_values({4, 5}, 4);
  for (double& v : logits) v *= 3;
  const Tensor soft = softmax(tensor({4, 5}, logits, {.dtype = DType::f64}));
  check_classes({4, 5}, soft, 0.2,
                {{6.72259914471, -0.172329496161}, {2.0104703132, 0.0288955990975}, {8.0418812528, 0.11558239639}});
  std::vector<double> pixels;
  for (int i = 0; i < 12; ++i) pixels.push_back(i * 7 % 5);
  check_classes({2, 5, 3, 2}, tensor({2, 3, 2}, pixels, {.dtype = DType::i64}), 0,
                {{-0.614579716156, -2.51510481085}, {1.89975483292, 0.0156694054102}, {22.797057995, 0.188032864922}});
}

TEST_CASE("elementwise losses reduce as PyTorch's do", "[ops][L5][L6][L7]") {
  check_pairs(mse_loss, {{-0.00954052339613, 0.350012969949, -0.350012969949},
                         {0.421652688607, 0.119647545178, -0.119647545178},
                         {5.05983226328, 1.43577054213, -1.43577054213}});
  check_pairs(l1_loss, {{-0.0815779938893, 0.206378060853, -0.206378060853},
                        {0.579048541423, 0.0634087783278, -0.0634087783278},
                        {6.94858249708, 0.760905339933, -0.760905339933}});
  const Loss huber = [](const Tensor& x, const Tensor& t, Reduction r) { return huber_loss(x, t, 0.5, r); };
  check_pairs(huber, {{-0.00638422353504, 0.162345513217, -0.162345513217},
                      {0.179369869415, 0.0353611933624, -0.0353611933624},
                      {2.15243843298, 0.424334320349, -0.424334320349}});
  check_pairs(binary_cross_entropy_with_logits, {{0.742659794601, -1.22035915699, -0.557229007917},
                                                 {0.510110299691, 0.00958208651644, -0.0542628663149},
                                                 {6.12132359629, 0.114985038197, -0.651154395779}});
}

TEST_CASE("log_softmax over a middle axis equals PyTorch's", "[ops][L1]") {
  const Tensor x = wave({2, 5, 3}, 0);
  check(log_softmax(x, 1), {x}, {-2.75502740929, -2.29983286035});
}

TEST_CASE("layer and group normalisation equal PyTorch's", "[ops]") {
  const Tensor x = wave({2, 3, 4, 5}, 0), weight = wave({4, 5}, 2), bias = wave({4, 5}, 3);
  check(layer_norm(x, weight, bias, {.axes = 2, .eps = 1e-3}), {x, weight, bias},
        {-7.09925511097, -0.632607358212, 4.82812689722, -1.73616086481});
  const Tensor images = wave({2, 6, 4, 5}, 0), weights = wave({6}, 2), biases = wave({6}, 3);
  check(group_norm(images, weights, biases, {.groups = 3, .eps = 1e-3}), {images, weights, biases},
        {2.79448935177, 0.251525603748, -98.2173845381, -0.926603727938});
}
