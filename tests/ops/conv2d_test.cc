// Convolution and pooling on the figures of the lecture notes, as identities, and its errors.
#include "core/ops/conv2d.h"

#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "core/ops/matmul.h"
#include "core/ops/pool2d.h"
#include "core/ops/reduce.h"
#include "tests/catch.h"

using namespace weft;

namespace {

using Values = std::vector<double>;

Tensor image(const Shape& shape, double first = 0) {
  Values values;
  for (std::int64_t i = 0; i < shape.elements(); ++i) values.push_back(first + double(i));
  return tensor(shape, values);
}
Tensor noise(const Shape& shape, double phase) {
  Values values;
  for (std::int64_t i = 0; i < shape.elements(); ++i) values.push_back(std::sin(1.3 * double(i * i % 97) + phase));
  return tensor(shape, values);
}
void check_near(const Tensor& a, const Tensor& b, double tolerance) {
  REQUIRE(a.shape() == b.shape());
  const Values x = a.to_vector(), y = b.to_vector();
  for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(x[i] == Approx(y[i]).margin(tolerance));
}

// The picture of the notes: 6 x 8 ones with four columns of zeros in the middle.
Tensor edges() {
  Values values(48, 1);
  for (std::size_t i = 0; i < 48; ++i)
    if (i % 8 >= 2 && i % 8 < 6) values[i] = 0;
  return tensor({1, 1, 6, 8}, values);
}

}  // namespace

TEST_CASE("cross-correlation of a 3 x 3 image", "[ops][C1]") {
  CHECK(conv2d(image({1, 1, 3, 3}), image({1, 1, 2, 2})).to_vector() == Values{19, 25, 37, 43});
}

TEST_CASE("a difference filter finds vertical edges only", "[ops][C2]") {
  const Tensor filter = tensor({1, 1, 1, 2}, {1, -1});
  const Values y = conv2d(edges(), filter).to_vector();
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == (i % 7 == 1 ? 1 : i % 7 == 5 ? -1 : 0));
  for (const double v : conv2d(edges().transpose(), filter).to_vector()) CHECK(v == 0);
}

// The notes draw the first filter at random; (0.042, 0.212) is the one whose losses are theirs.
TEST_CASE("a filter is learned from its edges", "[ops][C2]") {
  const Tensor target = conv2d(edges(), tensor({1, 1, 1, 2}, {1, -1}));
  Tensor filter = tensor({1, 1, 1, 2}, {0.042, 0.212});
  Values losses;
  for (int step = 0; step < 10; ++step) {
    filter.set_requires_grad();
    const Tensor loss = sum(square(conv2d(edges(), filter) - target));
    loss.backward();
    if (step % 2 == 1) losses.push_back(loss.item());
    filter = (filter.detach() - filter.grad() * 0.03).detach();
  }
  const Values expected = {6.422, 1.225, 0.266, 0.070, 0.022};
  for (std::size_t i = 0; i < 5; ++i) CHECK(losses[i] == Approx(expected[i]).epsilon(0.01));
  CHECK(filter.to_vector()[0] == Approx(1.00).margin(0.005));
  CHECK(filter.to_vector()[1] == Approx(-0.97).margin(0.005));
}

TEST_CASE("padding and stride give the shapes of the notes", "[ops][C3][C10]") {
  const Shape x = {1, 1, 8, 8};
  CHECK(conv2d_shape(x, {1, 1, 3, 3}, {.padding = 1}) == Shape{1, 1, 8, 8});
  CHECK(conv2d_shape(x, {1, 1, 5, 3}, {.padding = {2, 1}}) == Shape{1, 1, 8, 8});
  CHECK(conv2d_shape(x, {1, 1, 3, 3}, {.stride = 2, .padding = 1}) == Shape{1, 1, 4, 4});
  CHECK(conv2d_shape(x, {1, 1, 3, 5}, {.stride = {3, 4}, .padding = {0, 1}}) == Shape{1, 1, 2, 2});
  CHECK(conv2d_shape({1, 1, 5, 5}, {1, 1, 3, 3}, {.padding = {1'500'000'000, 0}}) == Shape{1, 1, 3'000'000'003, 3});
  CHECK(conv2d(noise(x, 0), noise({1, 1, 3, 5}, 1), {}, {.stride = {3, 4}, .padding = {0, 1}}).shape() ==
        Shape{1, 1, 2, 2});
}

TEST_CASE("several input and output channels", "[ops][C4]") {
  const Tensor x = tensor({1, 2, 3, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  const Values k = {0, 1, 2, 3, 1, 2, 3, 4};
  CHECK(conv2d(x, tensor({1, 2, 2, 2}, k)).to_vector() == Values{56, 72, 104, 120});
  Values stacked;
  for (int more = 0; more < 3; ++more)
    for (const double v : k) stacked.push_back(v + more);
  CHECK(conv2d(x, tensor({3, 2, 2, 2}, stacked)).to_vector() ==
        Values{56, 72, 104, 120, 76, 100, 148, 172, 96, 128, 192, 224});
}

TEST_CASE("a 1 x 1 convolution is a linear map of each pixel", "[ops][C5]") {
  const Tensor x = noise({1, 3, 5, 4}, 0), weight = noise({2, 3, 1, 1}, 1);
  const Tensor pixels = matmul(weight.reshape({2, 3}), x.reshape({3, 20})).reshape({1, 2, 5, 4});
  check_near(conv2d(x, weight), pixels, 1e-6);
  check_near(conv2d(x.to(MemoryFormat::channels_last), weight), pixels, 1e-6);
}

TEST_CASE("a convolution is a matrix that shares its weights", "[ops][C6]") {
  const Tensor x = noise({1, 1, 5, 6}, 0), weight = noise({1, 1, 3, 2}, 1);
  Tensor toeplitz = zeros({15, 30});  // output pixels (3, 5), input pixels (5, 6)
  for (int p = 0; p < 3; ++p)
    for (int q = 0; q < 5; ++q)
      for (int r = 0; r < 3; ++r)
        for (int s = 0; s < 2; ++s)
          toeplitz.values<float>()[std::size_t((p * 5 + q) * 30 + (p + r) * 6 + q + s)] =
              weight.values<float>()[std::size_t(r * 2 + s)];
  check_near(conv2d(x, weight).reshape({15, 1}), matmul(toeplitz, x.reshape({30, 1})), 1e-6);
}

TEST_CASE("a shifted image gives a shifted convolution", "[ops][C6]") {
  const Tensor wide = noise({2, 3, 9, 12}, 0), weight = noise({4, 3, 3, 3}, 1);
  const Tensor y = conv2d(wide.slice(3, 0, 10), weight), shifted = conv2d(wide.slice(3, 2, 12), weight);
  check_near(y.slice(3, 2, 8), shifted.slice(3, 0, 6), 0);
}

TEST_CASE("max pooling on the figures of the notes", "[ops][C7]") {
  const Tensor x9 = image({1, 1, 3, 3}), x16 = image({1, 1, 4, 4});
  CHECK(max_pool2d(x9, {.kernel = 2, .stride = 1}).to_vector() == Values{4, 5, 7, 8});
  CHECK(max_pool2d(x16, {.kernel = 3}).to_vector() == Values{10});
  CHECK(max_pool2d(x16, {.kernel = 3, .stride = 2, .padding = 1}).to_vector() == Values{5, 7, 13, 15});
  CHECK(max_pool2d(x16, {.kernel = {2, 3}, .stride = {2, 3}, .padding = {0, 1}}).to_vector() == Values{5, 7, 13, 15});
  Values two;
  for (int i = 0; i < 32; ++i) two.push_back(i < 16 ? i : i - 15);
  const Values y = max_pool2d(tensor({1, 2, 4, 4}, two), {.kernel = 3, .stride = 2, .padding = 1}).to_vector();
  CHECK(y == Values{5, 7, 13, 15, 6, 8, 14, 16});
}

TEST_CASE("max pooling forgives a shift by one pixel", "[ops][C7]") {
  const Tensor edge = conv2d(edges(), tensor({1, 1, 1, 2}, {1, -1}));                  // 1 in column 1, -1 in column 5
  const Tensor moved = conv2d(edges().slice(3, 1, 8), tensor({1, 1, 1, 2}, {1, -1}));  // the same, one to the left
  const Tensor a = max_pool2d(edge.slice(3, 0, 6), {.kernel = 2}), b = max_pool2d(moved, {.kernel = 2});
  CHECK(a.to_vector() == b.to_vector());
}

TEST_CASE("a border never wins and a NaN always does", "[ops][C7]") {
  const Tensor negative = full({1, 2, 3, 3}, -7);
  for (const double v : max_pool2d(negative, {.kernel = 3, .stride = 1, .padding = 1}).to_vector()) CHECK(v == -7);
  const Tensor x = tensor({1, 1, 1, 3}, {1, std::nan(""), 2});
  CHECK(std::isnan(max_pool2d(x, {.kernel = {1, 3}}).item()));
}

TEST_CASE("average pooling, over windows and over all", "[ops][C8][C9]") {
  CHECK(avg_pool2d(image({1, 1, 3, 3}), {.kernel = 2, .stride = 1}).to_vector() == Values{2, 3, 5, 6});
  const Tensor x = noise({1, 248, 3, 3}, 0);
  const Tensor y = global_avg_pool2d(x);
  CHECK(y.shape() == Shape{1, 248, 1, 1});
  check_near(y.reshape({248}), mean(x.reshape({248, 9}), {1}), 1e-6);
}

TEST_CASE("a convolution of stride 2 is every second pixel of the dense one", "[ops][C10]") {
  const Tensor x = noise({2, 3, 9, 9}, 0), weight = noise({4, 3, 3, 3}, 1);
  const Tensor dense = conv2d(x, weight, {}, {.padding = 1});
  const Tensor down = conv2d(x, weight, {}, {.stride = 2, .padding = 1});
  CHECK(down.shape() == max_pool2d(dense, {.kernel = 3, .stride = 2, .padding = 1}).shape());
  check_near(down, dense.slice(2, 0, 9, 2).slice(3, 0, 9, 2), 1e-5);
}

TEST_CASE("the first layer computes no gradient of its images", "[ops]") {
  struct Listener final : KernelObserver {
    std::vector<std::string> slots;
    void called(const KernelCall& call) override { slots.emplace_back(call.slot); }
  };
  const Tensor x = noise({1, 2, 5, 5}, 0), weight = noise({3, 2, 3, 3}, 1).set_requires_grad();
  const Tensor y = sum(conv2d(x, weight));
  Listener listener;
  y.backward();
  CHECK(std::count(listener.slots.begin(), listener.slots.end(), "conv2d_backward_weight") == 1);
  CHECK(std::count(listener.slots.begin(), listener.slots.end(), "conv2d_backward_data") == 0);
}

TEST_CASE("convolution and pooling say what does not fit", "[ops]") {
  const Tensor x = noise({1, 3, 8, 8}, 0);
  CHECK_THROWS_WITH(conv2d(x, noise({64, 4, 7, 7}, 0)),
                    "conv2d: x has 3 channels but weight (64, 4, 7, 7) expects 4 per group (groups = 1)");
  CHECK_THROWS_WITH(conv2d(x.reshape({3, 8, 8}), noise({4, 3, 3, 3}, 0)), contains("x must be (N, C, H, W), not (3"));
  CHECK_THROWS_WITH(conv2d(x, noise({4, 3, 9, 9}, 0)),
                    contains("with padding (0, 0) is smaller than the filter (9, 9)"));
  CHECK_THROWS_WITH(conv2d(x, noise({4, 3, 3, 3}, 0), noise({5}, 0)), contains("bias must be (4,) of f32, not (5,)"));
  CHECK_THROWS_WITH(conv2d(x, noise({4, 3, 3, 3}, 0), {}, {.stride = 0}), contains("at least 1"));
  CHECK_THROWS_WITH(conv2d(x, noise({4, 1, 3, 3}, 0), {}, {.groups = 3}), contains("groups = 3 does not divide"));
  CHECK_THROWS_WITH(conv2d(x, noise({4, 3, 3, 3}, 0).to(DType::f64)), contains("x is f32 and weight f64"));
  CHECK_THROWS_WITH(max_pool2d(x, {.kernel = 2, .padding = 2}), contains("half the kernel (2, 2), got (2, 2)"));
  CHECK_THROWS_WITH(avg_pool2d(x, {.kernel = 9}), contains("smaller than the kernel (9, 9)"));
}
