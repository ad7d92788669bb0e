// Concat in place on the device: what ops write into slices of one image is joined without a copy, forward and
// backward, with the values of plain concat.
#include "core/ops/concat.h"

#include "core/autograd.h"
#include "core/kernel_slot.h"
#include "core/ops/batch_norm.h"
#include "core/ops/conv2d.h"
#include "core/ops/elementwise.h"
#include "core/ops/pool2d.h"
#include "tests/catch.h"
#include "tests/emulated/draws.h"
#include "tests/emulated/same_bits.h"

using namespace weft;
using tests::kEmulated;
using tests::same_bits;
using tests::uniform;

namespace {

constexpr MemoryFormat kLast = MemoryFormat::channels_last;

struct Copies final : KernelObserver {
  int count = 0;
  void called(const KernelCall& call) override { count += call.slot == "copy_forward"; }
};

struct Net {
  explicit Net(DType dtype) {
    const auto on_device = [&](const Shape& shape, std::uint64_t seed) {
      return uniform(shape, -1, 1, dtype, seed).to(kEmulated).set_requires_grad();
    };
    x = uniform({2, 8, 6, 5}, -1, 1, dtype, 1).to(kLast).to(kEmulated).set_requires_grad();
    w1 = on_device({16, 8, 1, 1}, 2), b1 = on_device({16}, 3);
    w3 = on_device({8, 8, 3, 3}, 4), b3 = on_device({8}, 5);
    wn = on_device({24, 8, 1, 1}, 6), scale = on_device({24}, 7), shift = on_device({24}, 8);
    w2 = on_device({8, 56, 1, 1}, 9);
  }
  Tensors all() const { return {x, w1, b1, w3, b3, wn, scale, shift, w2}; }
  Tensor x, w1, b1, w3, b3, wn, scale, shift, w2;
};

// An inception block of 16 + 8 + 24 + 8 channels, and a convolution of it. place(begin, end): where a branch goes.
template <typename Place>
Tensor inception(const Net& n, const Place& place) {
  const Tensor a = conv2d_bias_relu(n.x, n.w1, n.b1, {}, place(0, 16));
  const Tensor b = conv2d(n.x, n.w3, n.b3, {.padding = 1}, place(16, 24));
  const Tensor c = batch_norm_relu(conv2d(n.x, n.wn), n.scale, n.shift, {}, {}, {}, place(24, 48));
  const Tensor d = max_pool2d(n.x, {.kernel = 3, .stride = 1, .padding = 1}, place(48, 56));
  return conv2d(concat({a, b, c, d}, 1), n.w2);
}

// A dense block: each layer reads all features so far and writes 8 more.
template <typename Place>
Tensor dense(const Net& n, const Place& place) {
  Tensors features = {avg_pool2d(n.x, {.kernel = 1}, place(0, 8))};
  for (int layer = 0; layer < 2; ++layer) {
    const std::int64_t channels = 8 + 8 * layer;
    const Tensor all = concat(features, 1);
    const Tensor normal = batch_norm_relu(all, n.scale.slice(0, 0, channels), n.shift.slice(0, 0, channels), {}, {});
    const Tensor filter = n.w2.slice(1, 0, channels).contiguous();
    features.push_back(conv2d(normal, filter, {}, {}, place(channels, channels + 8)));
  }
  return concat(features, 1);
}

struct Outcome {
  Tensor y;
  Tensors gradients;
  int copies = 0;
};
template <typename Block>
Outcome run(DType dtype, const Block& block, std::int64_t channels, bool in_place) {
  const Net net(dtype);
  Tensor image;
  if (in_place) image = empty({2, channels, 6, 5}, {dtype, kEmulated, kLast});
  const auto place = [&](std::int64_t begin, std::int64_t end) {
    return in_place ? image.slice(1, begin, end) : Tensor();
  };
  const Tensor dy = uniform({2, channels == 56 ? 8 : channels, 6, 5}, -1, 1, dtype, 20).to(kLast).to(kEmulated);
  Outcome out;
  Copies copies;
  out.y = block(net, place);
  out.y.backward(dy);
  out.copies = copies.count;
  for (const Tensor& leaf : net.all()) out.gradients.push_back(leaf.grad());
  return out;
}
template <typename Block>
void compare(DType dtype, const Block& block, std::int64_t channels, int parts) {
  const Outcome copied = run(dtype, block, channels, false), written = run(dtype, block, channels, true);
  CHECK(same_bits(copied.y, written.y));
  for (std::size_t i = 0; i < copied.gradients.size(); ++i)
    if (copied.gradients[i].defined()) CHECK(same_bits(copied.gradients[i], written.gradients[i]));
  CHECK(copied.copies - written.copies == parts);
}

}  // namespace

TEST_CASE("an inception block and a dense block write in place what concat would copy") {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::f64}) {
    INFO(message(dtype));
    compare(
        dtype, [](const Net& n, const auto& place) { return inception(n, place); }, 56, 4);
    compare(
        dtype, [](const Net& n, const auto& place) { return dense(n, place); }, 24, 2 + 3);
  }
}

TEST_CASE("an inception block in place copies nothing, forward and backward") {
  CHECK(run(
            DType::f32, [](const Net& n, const auto& place) { return inception(n, place); }, 56, true)
            .copies == 0);
}

TEST_CASE("parts that are not neighbours in one buffer are copied") {
  const Tensor image = uniform({1, 6, 2, 2}, -1, 1, DType::f32, 1).to(kLast).to(kEmulated);
  const Tensor a = image.slice(1, 0, 2), b = image.slice(1, 2, 5), c = image.slice(1, 5, 6);
  CHECK(concat({a, b, c}, 1).storage().get() == image.storage().get());
  CHECK(concat({a, b}, 1).layout().pitch() == 6);
  for (const Tensors& parts : {Tensors{b, a}, Tensors{a, c}, Tensors{a, a}}) {
    const Tensor joined = concat(parts, 1);
    CHECK(joined.storage().get() != image.storage().get());
    CHECK(joined.layout().dense());
  }
  CHECK_THROWS_WITH(conv2d(image, ones({2, 6, 1, 1}, {.device = kEmulated}), {}, {}, a.slice(2, 0, 1)),
                    Catch::Matchers::Contains("out must be"));
}
