// Checkpointed segments: the bits of the segment that keeps everything, less memory, and no trace of the second run.
#include "core/checkpoint.h"

#include <cmath>
#include <cstring>

#include "core/autograd.h"
#include "core/generator.h"
#include "core/ops/copy.h"
#include "core/ops/elementwise.h"
#include "core/ops/random.h"
#include "core/runtime/runtime.h"
#include "nn/nn.h"
#include "tests/catch.h"

using namespace weft;

namespace {

Tensor noise(const Shape& shape, std::uint64_t seed) {
  const Tensor x = empty(shape);
  normal_(x, 0, 1, {seed});
  return x;
}
bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.contiguous().raw(), b.contiguous().raw(), a.bytes()) == 0;
}

nn::Sequential block() {
  return nn::Sequential(nn::Conv2d({.in = 4, .out = 8, .kernel = 3, .padding = 1}),
                        nn::BatchNorm({.features = 8, .relu = true}), nn::Dropout(0.3), nn::MaxPool2d({.kernel = 2}),
                        nn::Conv2d({.in = 8, .out = 4, .kernel = 1}), nn::BatchNorm({.features = 4}), nn::Tanh());
}

// Values, gradients and state of two training steps of two blocks, with each of them checkpointed or not.
Tensors train(bool checkpointed) {
  manual_seed(5);
  nn::Sequential first = block(), second = block();
  Tensors out;
  for (int step = 0; step < 2; ++step) {
    const Tensor x = noise({3, 4, 8, 8}, std::uint64_t(step)).set_requires_grad();
    const auto run = [&](nn::Sequential& net, const Tensor& in) {
      return checkpointed ? checkpoint([&net](const Tensor& t) { return net(t); }, in) : net(in);
    };
    const Tensor y = run(second, run(first, x));
    y.backward(noise(y.shape(), 9));
    out.insert(out.end(), {y, x.grad()});
    for (nn::Sequential* net : {&first, &second}) {
      for (const NamedTensor& entry : net->state()) out.push_back(entry.tensor.clone());
      for (const Tensor& parameter : net->parameters()) out.push_back(parameter.grad());
    }
  }
  out.push_back(full({}, double(default_generator().next), {.dtype = DType::i64}));
  return out;
}

// A chain of n layers, each keeping its output; cut into segments of so many.
std::size_t peak_of_chain(int layers, int segment) {
  const Tensor x = ones({256, 256}).set_requires_grad();
  Allocator& allocator = runtime(DeviceKind::cpu).allocator(0);
  const std::size_t before = allocator.statistics().live_bytes;
  allocator.reset_peak();
  const auto piece = [](int n) {
    return [n](const Tensor& t) {
      Tensor y = t;
      for (int i = 0; i < n; ++i) y = tanh(y);
      return y;
    };
  };
  Tensor y = x;
  for (int i = 0; i < layers; i += segment) y = segment == 1 ? piece(1)(y) : checkpoint(piece(segment), y);
  y.backward(ones(x.shape()));
  return (allocator.statistics().peak_bytes - before) / x.bytes();
}

}  // namespace

TEST_CASE("checkpointing changes no bit: values, gradients, dropout, running statistics", "[core][M8]") {
  const Tensors plain = train(false), again = train(true);
  REQUIRE(plain.size() == again.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    INFO("result " << i);
    CHECK(same_bits(plain[i], again[i]));
  }
}

TEST_CASE("checkpointing keeps the square root of the activations", "[core][M8]") {
  CHECK(peak_of_chain(64, 1) >= 64);
  CHECK(peak_of_chain(64, 8) <= 8 + 8 + 4);
  CHECK(peak_of_chain(144, 12) <= 12 + 12 + 4);
}

TEST_CASE("a checkpointed segment inside another is part of it", "[core]") {
  const Tensor x = noise({4, 5}, 1).set_requires_grad(), z = x.detach().clone().set_requires_grad();
  int runs = 0;
  const auto inner = [&](const Tensor& t) {
    ++runs;
    return tanh(exp(t));
  };
  checkpoint([&](const Tensor& t) { return checkpoint(inner, sigmoid(t)); }, x).backward(ones({4, 5}));
  tanh(exp(sigmoid(z))).backward(ones({4, 5}));
  CHECK(same_bits(x.grad(), z.grad()));
  CHECK(runs == 2);
  {
    const NoGrad none;
    checkpoint(inner, x);
  }
  CHECK(runs == 3);
}

TEST_CASE("a checkpointed segment notices what was overwritten and what computes otherwise", "[core]") {
  const Tensor x = noise({4}, 1), w = noise({4}, 2).set_requires_grad();
  const Tensor y = checkpoint([&](const Tensor& t) { return tanh(mul(t, w)); }, x);
  fill_(x, 1);
  CHECK_THROWS_WITH(y.backward(ones({4})), contains("has overwritten since"));
  bool second = false;
  const Tensor z =
      checkpoint([&](const Tensor& t) { return std::exchange(second, true) ? mul(t, w) : tanh(tanh(mul(t, w))); }, x);
  CHECK_THROWS_WITH(z.backward(ones({4})), contains("computes the same both times"));
}
