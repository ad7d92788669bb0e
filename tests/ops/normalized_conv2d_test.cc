// Batch norm inside a convolution against the ops it is made of: value, gradients and running statistics, and that the
// normalised map is not kept.
#include "core/ops/normalized_conv2d.h"

#include <set>

#include "core/autocast.h"
#include "core/autograd.h"
#include "core/checkpoint.h"
#include "core/ops/random.h"
#include "tests/catch.h"

using namespace weft;

namespace {

Tensor uniform(const Shape& shape, std::uint64_t seed, DType dtype = DType::f32) {
  const Tensor x = empty(shape);
  uniform_(x, -1, 1, {seed, 1});
  return x.to(dtype);
}

struct Inputs {
  explicit Inputs(DType dtype, MemoryFormat format = MemoryFormat::channels_last)
      : x(uniform({3, 6, 7, 5}, 1, dtype).to(format).detach().set_requires_grad()),
        weight(uniform({6}, 2).detach().set_requires_grad()),
        bias(uniform({6}, 3).detach().set_requires_grad()),
        filter(uniform({9, 6, 3, 3}, 4, dtype).detach().set_requires_grad()),
        running{zeros({6}), ones({6}), zeros({}, {.dtype = DType::i64})} {}
  Tensors leaves() const { return {x, weight, bias, filter}; }
  BatchNormRelu norm(bool training = true) const { return {weight, bias, running, {.training = training}}; }

  Tensor x, weight, bias, filter;
  RunningStatistics running;
};
constexpr Conv2dOptions kOptions{.stride = 2, .padding = 1};

Tensor composed(const Inputs& in, bool training = true) {
  return conv2d(batch_norm_relu(in.x, in.weight, in.bias, in.running, {.training = training}), in.filter, {}, kOptions);
}

void check_equal(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  CHECK(a.dtype() == b.dtype());
  CHECK(a.to_vector() == b.to_vector());
}

// The storages that ops save.
class SavedStorages final : public SavedTensorHook {
 public:
  Ref<RecomputedTensor> saved(const Tensor& x) override {
    if (x.defined()) storages.insert(x.storage().get());
    return {};
  }
  std::set<const void*> storages;
};

}  // namespace

TEST_CASE("batch norm inside a convolution is the composition, with its gradients and running statistics") {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16})
    for (const MemoryFormat format : {MemoryFormat::channels_last, MemoryFormat::contiguous})
      for (const bool training : {true, false}) {
        INFO(message(dtype, " ", format, training ? " training" : ""));
        const Inputs a(dtype, format), b(dtype, format);
        const Convolved fused = normalized_conv2d(a.x, a.norm(training), a.filter, kOptions, true);
        const Tensor plain = composed(b, training);
        check_equal(fused.y, plain);
        const BatchStatistics wanted = batch_statistics(plain);
        check_equal(fused.statistics.mean, wanted.mean);
        check_equal(fused.statistics.variance, wanted.variance);
        CHECK(fused.statistics.values == wanted.values);
        check_equal(a.running.mean, b.running.mean);
        check_equal(a.running.variance, b.running.variance);
        check_equal(a.running.batches, b.running.batches);
        CHECK(a.running.batches.item() == (training ? 1 : 0));
        const Tensor dy = uniform(plain.shape(), 9, dtype);
        fused.y.backward(dy);
        plain.backward(dy);
        for (std::size_t i = 0; i < a.leaves().size(); ++i) {
          // The mask's rounding may differ in the last bit of the sums that are taken in one pass or two.
          const Tensor got = a.leaves()[i].grad(), want = b.leaves()[i].grad();
          REQUIRE(got.shape() == want.shape());
          const double eps = dtype == DType::f32 ? 1e-5 : (dtype == DType::f16 ? 4e-3 : 3e-2);
          for (std::int64_t k = 0; k < got.elements(); ++k)
            CHECK(got.to_vector()[std::size_t(k)] == Approx(want.to_vector()[std::size_t(k)]).epsilon(eps).margin(eps));
        }
      }
}

TEST_CASE("a convolution hands on the statistics of its output") {
  const Inputs in(DType::f32);
  const Convolved out = conv2d_with_statistics(in.x, in.filter, kOptions);
  const Tensor plain = conv2d(in.x, in.filter, {}, kOptions);
  check_equal(out.y, plain);
  const BatchStatistics wanted = batch_statistics(plain);
  check_equal(out.statistics.mean, wanted.mean);
  check_equal(out.statistics.variance, wanted.variance);
  CHECK(out.statistics.values == wanted.values);
  CHECK(!out.statistics.mean.requires_grad());
  CHECK(!normalized_conv2d(in.x, in.norm(), in.filter).statistics.defined());
  CHECK(!conv2d_with_statistics(zeros({0, 6, 7, 5}), in.filter).statistics.defined());
}

TEST_CASE("batch norm inside a convolution keeps x and never the normalised map") {
  const Inputs in(DType::f32);
  SavedStorages hook;
  Tensor y;
  {
    const SavedTensorHook::Scope scope(&hook);
    y = normalized_conv2d(in.x, in.norm(), in.filter, kOptions, true).y;
  }
  CHECK(hook.storages.contains(in.x.storage().get()));
  CHECK(hook.storages.contains(in.filter.storage().get()));
  CHECK(!hook.storages.contains(y.storage().get()));
  CHECK(hook.storages.size() == 6);  // and weight, bias, mean, variance
}

TEST_CASE("statistics that are known move the running ones and nothing is read for them") {
  const Inputs a(DType::f32), b(DType::f32);
  BatchNormRelu norm = a.norm();
  norm.known = batch_statistics(a.x);
  struct Heard final : KernelObserver {
    int statistics = 0;
    void called(const KernelCall& call) override { statistics += call.slot == "batch_norm_statistics"; }
  } heard;
  check_equal(normalized_conv2d(a.x, norm, a.filter, kOptions).y, composed(b));
  CHECK(heard.statistics == 1);  // the composition's
  check_equal(a.running.mean, b.running.mean);
  check_equal(a.running.variance, b.running.variance);
}

TEST_CASE("batch norm inside a convolution works under autocast and within a checkpoint") {
  const Inputs a(DType::f32), b(DType::f32);
  const Autocast f16(DType::f16);
  const Tensor x = uniform({3, 6, 7, 5}, 1, DType::f16);
  const auto segment = [](const Inputs& in) {
    return [&in](const Tensor& map) { return normalized_conv2d(map, in.norm(), in.filter, kOptions, true).y; };
  };
  const Tensor plain = segment(a)(x), again = checkpoint(segment(b), x);
  CHECK(plain.dtype() == DType::f16);
  check_equal(plain, again);
  plain.backward(uniform(plain.shape(), 9, DType::f16));
  again.backward(uniform(plain.shape(), 9, DType::f16));
  check_equal(a.weight.grad(), b.weight.grad());
  check_equal(a.filter.grad(), b.filter.grad());
  check_equal(a.running.mean, b.running.mean);
  CHECK(b.running.batches.item() == 1);
}

TEST_CASE("batch norm inside a convolution refuses operands that do not fit") {
  const Inputs in(DType::f32);
  CHECK_THROWS_WITH(normalized_conv2d(in.x, in.norm(), in.filter.to(DType::f16)),
                    contains("normalized_conv2d: x is f32 and the filter f16; convert one with .to(dtype)"));
  CHECK_THROWS_WITH(normalized_conv2d(uniform({3, 5, 7, 5}, 1), in.norm(), in.filter), contains("x has 5 channels"));
  BatchNormRelu norm = in.norm();
  norm.weight = ones({5});
  CHECK_THROWS_WITH(normalized_conv2d(in.x, norm, in.filter),
                    contains("normalized_conv2d: weight must be (6,) for x (3, 6, 7, 5), not (5,)"));
  CHECK_THROWS_WITH(conv2d_with_statistics(in.x, in.filter.to(DType::f64)),
                    contains("conv2d_with_statistics: x is f32 and the filter f64"));
}
