// Mixed precision: which op computes in which dtype, how often parameters are converted, and what backward gives.
#include "core/autocast.h"

#include "core/autograd.h"
#include "core/checkpoint.h"
#include "core/kernel_slot.h"
#include "core/ops/batch_norm.h"
#include "core/ops/concat.h"
#include "core/ops/conv2d.h"
#include "core/ops/copy.h"
#include "core/ops/elementwise.h"
#include "core/ops/loss.h"
#include "core/ops/matmul.h"
#include "core/ops/pool2d.h"
#include "core/ops/random.h"
#include "core/ops/reduce.h"
#include "core/ops/softmax.h"
#include "tests/catch.h"

using namespace weft;

namespace {

Tensor uniform(const Shape& shape, std::uint64_t stream, DType dtype = DType::f32) {
  const Tensor x = empty(shape);
  uniform_(x, -1, 1, {1, stream});
  return x.to(dtype);
}

struct Copies final : KernelObserver {
  int count = 0;
  void called(const KernelCall& call) override { count += call.slot == "copy_forward"; }
};

}  // namespace

TEST_CASE("each op computes in the dtype of its policy") {
  for (const DType low : {DType::f16, DType::bf16}) {
    const Autocast autocast(low);
    const Tensor x = uniform({2, 3, 6, 6}, 1), weight = uniform({4, 3, 3, 3}, 2), bias = uniform({4}, 3);
    const Tensor rows = uniform({5, 8}, 4), matrix = uniform({7, 8}, 5);
    CHECK(conv2d(x, weight, bias).dtype() == low);
    CHECK(conv2d_bias_relu(x, weight, bias).dtype() == low);
    CHECK(linear(rows, matrix).dtype() == low);
    CHECK(linear_relu(rows, matrix, uniform({7}, 6)).dtype() == low);
    CHECK(linear_gelu(rows, matrix, uniform({7}, 6)).dtype() == low);
    CHECK(matmul(rows, matrix.transpose()).dtype() == low);
    const Tensor y = linear(rows, matrix);
    CHECK(relu(y).dtype() == low);
    CHECK(max_pool2d(conv2d(x, weight), {.kernel = 2}).dtype() == low);
    CHECK(softmax(y).dtype() == DType::f32);
    CHECK(log_softmax(y).dtype() == DType::f32);
    CHECK(cross_entropy(y, zeros({5}, {.dtype = DType::i64})).dtype() == DType::f32);
    CHECK(mse_loss(y, uniform({5, 7}, 7)).dtype() == DType::f32);
    CHECK(add(y, uniform({5, 7}, 8)).dtype() == DType::f32);
    CHECK(mul(y, y).dtype() == low);
    CHECK(concat({y, uniform({5, 1}, 9)}, 1).dtype() == DType::f32);
    CHECK(linear(rows.to(DType::f64), matrix.to(DType::f64)).dtype() == DType::f64);
  }
  CHECK_FALSE(autocast_dtype().has_value());
}

TEST_CASE("scopes nest, and nullopt lifts one") {
  const Tensor x = uniform({2, 2}, 1);
  const Autocast outer(DType::bf16);
  {
    const Autocast inner(std::nullopt);
    CHECK(matmul(x, x).dtype() == DType::f32);
  }
  CHECK(matmul(x, x).dtype() == DType::bf16);
  CHECK_THROWS_AS(Autocast(DType::f64), Error);
}

TEST_CASE("gradients of parameters are f32 and those of the same arithmetic by hand") {
  const Tensor weight = uniform({4, 6}, 1).set_requires_grad(), bias = uniform({4}, 2).set_requires_grad();
  const Tensor x = uniform({3, 6}, 3), dy = uniform({3, 4}, 4, DType::bf16);
  {
    const Autocast autocast(DType::bf16);
    linear(x, weight, bias).backward(dy);
  }
  const Tensor low_weight = weight.detach().to(DType::bf16).set_requires_grad();
  const Tensor low_bias = bias.detach().to(DType::bf16).set_requires_grad();
  linear(x.to(DType::bf16), low_weight, low_bias).backward(dy);
  CHECK(weight.grad().dtype() == DType::f32);
  CHECK(weight.grad().to_vector() == low_weight.grad().to_vector());
  CHECK(bias.grad().to_vector() == low_bias.grad().to_vector());
}

TEST_CASE("a residual block's shortcut and its last batch norm meet in the wider dtype") {
  const Tensor x = uniform({4, 3, 2, 2}, 1, DType::bf16), shortcut = uniform({4, 3, 2, 2}, 2);
  CHECK_THROWS_AS(batch_norm_add_relu(x, shortcut, {}, {}, {}, {}), Error);
  const Tensor y = [&] {
    const Autocast autocast(DType::bf16);
    return batch_norm_add_relu(x, shortcut, {}, {}, {}, {});
  }();
  CHECK(y.dtype() == DType::f32);
  CHECK(y.to_vector() == batch_norm_add_relu(x.to(DType::f32), shortcut, {}, {}, {}, {}).to_vector());
}

TEST_CASE("a checkpointed segment is computed again in the precision it had") {
  const Tensor weight = uniform({6, 6}, 1).set_requires_grad();
  const Tensor x = uniform({3, 6}, 2);
  const auto segment = [&](const Tensor& in) { return tanh(linear(tanh(linear(in, weight)), weight)); };
  const auto gradient = [&](auto&& run) {
    weight.zero_grad();
    Tensor y;
    {
      const Autocast autocast(DType::bf16);
      y = run(x);
    }
    sum(y.to(DType::f32)).backward();
    return weight.grad().to_vector();
  };
  CHECK(gradient([&](const Tensor& in) { return checkpoint(segment, in); }) == gradient(segment));
}

TEST_CASE("a parameter is converted once until it is written") {
  const Tensor weight = uniform({4, 4}, 1).set_requires_grad();
  const Tensor x = uniform({2, 4}, 2, DType::f16);
  const Autocast autocast(DType::f16);
  const auto copies = [&] {
    Copies listener;
    const NoGrad no_grad;
    linear(linear(x, weight), weight);
    return listener.count;
  };
  const int convert_and_work = copies(), work = copies();
  CHECK(convert_and_work == work + 1);
  const Tensor before = linear(x, weight);
  {
    const NoGrad no_grad;
    fill_(weight, 0.5);
  }
  CHECK(copies() == work + 1);
  CHECK(linear(x, weight).to_vector() != before.to_vector());
  // Twice in one graph, and in two passes over the same values: each use has its own place in the graph.
  for (int pass = 0; pass < 2; ++pass) {
    weight.zero_grad();
    sum(linear(linear(x, weight), weight)).backward();
    CHECK(weight.grad().dtype() == DType::f32);
  }
}
