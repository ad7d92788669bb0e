// The same bits for any number of threads: every kernel of the convolution nets, forward and backward, on shapes large
// enough to be split.
#include <cstring>
#include <functional>

#include "core/ops/batch_norm.h"
#include "core/ops/conv2d.h"
#include "core/ops/loss.h"
#include "core/ops/matmul.h"
#include "core/ops/pool2d.h"
#include "core/ops/softmax.h"
#include "core/parallel.h"
#include "tests/catch.h"

using namespace weft;

namespace {

Tensor noise(const Shape& shape, int seed) {
  std::vector<double> values;
  std::uint32_t x = std::uint32_t(seed) * 2654435761u + 1;
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    x = x * 1664525u + 1013904223u;
    values.push_back(double(x >> 8) * 0x1p-24 - 0.5);
  }
  return tensor(shape, values);
}

// y and the gradients of the inputs, run with so many threads.
Tensors results(int count, const Tensors& inputs, const std::function<Tensor(const Tensors&)>& op) {
  const int before = threads();
  set_threads(count);
  for (const Tensor& x : inputs) {
    x.zero_grad();
    if (is_floating(x.dtype())) x.set_requires_grad();
  }
  Tensors out = {op(inputs)};
  out[0].backward(noise(out[0].shape(), 99).to(out[0].dtype()));
  for (const Tensor& x : inputs)
    if (is_floating(x.dtype())) out.push_back(x.grad().clone());
  set_threads(before);
  return out;
}

void check_threads(const Tensors& inputs, const std::function<Tensor(const Tensors&)>& op) {
  const Tensors one = results(1, inputs, op);
  for (const int count : {2, 3, 5}) {
    const Tensors many = results(count, inputs, op);
    for (std::size_t i = 0; i < one.size(); ++i) {
      INFO(count << " threads, result " << i);
      REQUIRE(one[i].format() == many[i].format());
      CHECK(std::memcmp(one[i].raw(), many[i].raw(), one[i].bytes()) == 0);
    }
  }
}

Tensor channels_last(const Tensor& x) { return x.to(MemoryFormat::channels_last); }

}  // namespace

TEST_CASE("matrix products have the same bits for any number of threads", "[ops][threads]") {
  check_threads({noise({257, 300}, 1), noise({131, 300}, 2), noise({131}, 3)},
                [](const Tensors& in) { return linear(in[0], in[1], in[2]); });
  check_threads({noise({256, 784}, 1), noise({10, 784}, 2), noise({10}, 3)},
                [](const Tensors& in) { return linear(in[0], in[1], in[2]); });
  check_threads({noise({7, 65, 70}, 1), noise({7, 70, 90}, 2)}, [](const Tensors& in) { return matmul(in[0], in[1]); });
}

TEST_CASE("convolutions have the same bits for any number of threads", "[ops][threads]") {
  for (const bool last : {false, true}) {
    const auto conv = [last](const Tensors& in) {
      return conv2d(last ? channels_last(in[0]) : in[0], in[1], in[2], {.padding = 2});
    };
    check_threads({noise({13, 1, 28, 28}, 1), noise({6, 1, 5, 5}, 2), noise({6}, 3)}, conv);
    check_threads({noise({9, 6, 14, 14}, 1), noise({16, 6, 5, 5}, 2), noise({16}, 3)}, conv);
    check_threads({noise({5, 32, 14, 14}, 1), noise({64, 32, 3, 3}, 2), noise({64}, 3)}, conv);
    check_threads({noise({5, 128, 7, 7}, 1), noise({32, 128, 3, 3}, 2), noise({32}, 3)}, conv);
    check_threads({noise({5, 8, 14, 14}, 1), noise({8, 2, 3, 3}, 2), noise({8}, 3)}, [last](const Tensors& in) {
      return conv2d(last ? channels_last(in[0]) : in[0], in[1], in[2], {.dilation = 2, .groups = 4});
    });
  }
}

TEST_CASE("pooling has the same bits for any number of threads", "[ops][threads]") {
  for (const bool last : {false, true}) {
    const Tensor x = noise({33, 16, 28, 28}, 1);
    check_threads({x}, [last](const Tensors& in) {
      return avg_pool2d(last ? channels_last(in[0]) : in[0], {.kernel = 3, .stride = 2, .padding = 1});
    });
    check_threads({x}, [last](const Tensors& in) {
      return max_pool2d(last ? channels_last(in[0]) : in[0], {.kernel = 3, .stride = 2, .padding = 1});
    });
  }
}

TEST_CASE("softmax and losses have the same bits for any number of threads", "[ops][threads]") {
  const Tensor x = noise({3000, 11}, 1);
  std::vector<double> classes;
  for (int i = 0; i < 3000; ++i) classes.push_back(i % 11);
  const Tensor labels = tensor({3000}, classes, {.dtype = DType::i64});
  check_threads({x}, [](const Tensors& in) { return softmax(in[0]); });
  check_threads({x}, [](const Tensors& in) { return log_softmax(in[0]); });
  check_threads({x, labels}, [](const Tensors& in) { return cross_entropy(in[0], in[1], {.label_smoothing = 0.1}); });
  check_threads({x, noise({3000, 11}, 2)}, [](const Tensors& in) { return huber_loss(in[0], in[1]); });
}

TEST_CASE("batch normalisation has the same bits for any number of threads", "[ops][threads]") {
  for (const bool last : {false, true})
    for (const Shape& shape : {Shape{33, 16, 28, 28}, Shape{9, 130, 17, 19}, Shape{3000, 70}, Shape{64, 3, 40, 40},
                               Shape{70, 130, 5, 5}, Shape{900, 20, 3, 2}, Shape{40, 3000, 1, 1}}) {
      const auto form = [&](const Tensor& x) { return last && shape.rank() == 4 ? channels_last(x) : x; };
      const Tensor weight = noise({shape[1]}, 3), bias = noise({shape[1]}, 4);
      check_threads({noise(shape, 1), noise(shape, 2), weight, bias}, [&](const Tensors& in) {
        return batch_norm_add_relu(form(in[0]), form(in[1]), in[2], in[3], {}, {.training = true});
      });
    }
}
