// Batch norm inside the convolutions of the nets, on the device in f16: blocks give what they give without, keep no
// normalised map, and still can be recorded, checkpointed and run without waiting. And blocks that write in place.
#include <cmath>
#include <map>
#include <set>

#include "core/autocast.h"
#include "core/autograd.h"
#include "core/checkpoint.h"
#include "core/generator.h"
#include "core/kernel_slot.h"
#include "core/ops/elementwise.h"
#include "core/ops/reduce.h"
#include "core/runtime/capture.h"
#include "core/runtime/runtime.h"
#include "models/densenet.h"
#include "models/googlenet.h"
#include "models/parts.h"
#include "models/resnet.h"
#include "nn/nn.h"
#include "tests/catch.h"
#include "tests/emulated/draws.h"
#include "tests/emulated/same_bits.h"

using namespace weft;
using nn::in_series;
using nn::named;
using tests::kEmulated;
using tests::same_bits;
using tests::uniform;

namespace {

using Build = std::unique_ptr<nn::Module> (*)();

template <typename M>
std::unique_ptr<nn::Module> boxed(M module) {
  return std::make_unique<M>(std::move(module));
}
std::unique_ptr<nn::Module> basic() { return boxed(models::basic_block({.in = 8, .out = 8})); }
std::unique_ptr<nn::Module> bottleneck() {
  return boxed(models::bottleneck({.in = 8, .out = 16, .stride = 2, .width = 8}));
}
std::unique_ptr<nn::Module> dense() {
  return boxed(models::DenseBlock({.layers = 3, .in = 8, .growth = 4, .bottleneck = 2}));
}
std::unique_ptr<nn::Module> inception() {
  const Pool2dOptions pool{.kernel = 3, .stride = 1, .padding = 1};
  return boxed(nn::Branches(
      models::conv_bn("branch1x1", {.in = 8, .out = 8}),
      named("branch3x3", nn::Sequential(models::conv_bn("0", {.in = 8, .out = 4}),
                                        models::conv_bn("1", {.in = 4, .out = 8, .kernel = 3, .padding = 1}))),
      named("twice", nn::Sequential(models::conv_bn("0", {.in = 8, .out = 8}),
                                    models::conv_bn("1", {.in = 8, .out = 6, .kernel = 3, .padding = 1}),
                                    models::conv_bn("2", {.in = 6, .out = 4, .kernel = 3, .padding = 1}))),
      in_series(named("pool", nn::AvgPool2d(pool)), models::conv_bn("branch_pool", {.in = 8, .out = 4}))));
}
std::unique_ptr<nn::Module> inception_d2l() {
  return boxed(models::inception_d2l(8, {.c1 = 4, .reduce3 = 4, .c3 = 6, .reduce5 = 2, .c5 = 4, .pooled = 2}));
}
// The stem's pool writes into the block's room, the transition's pool into the next one's.
std::unique_ptr<nn::Module> dense_net() {
  return boxed(nn::Sequential(nn::AvgPool2d({.kernel = 1}), models::DenseBlock({.layers = 2, .in = 8, .growth = 4}),
                              models::transition(16, 8),
                              models::DenseBlock({.layers = 2, .in = 8, .growth = 4, .bottleneck = 2})));
}

// Slots called, and the bytes of each copy.
struct Calls final : KernelObserver {
  std::map<std::string, int, std::less<>> count;
  int large_copies = 0;
  void called(const KernelCall& call) override {
    ++count[std::string(call.slot)];
    large_copies += call.slot == "copy_forward" && call.cost.bytes > 1000;  // no numbers per channel
  }
};
// The images that ops save for backward.
struct SavedImages final : SavedTensorHook {
  std::set<const void*> storages;
  Ref<RecomputedTensor> saved(const Tensor& x) override {
    if (x.defined() && x.channels_last() && x.size(0) == kBatch) storages.insert(x.storage().get());
    return {};
  }
  static constexpr std::int64_t kBatch = 3;
};

Tensor images() {
  return uniform({3, 8, 6, 6}, -1, 1, DType::f16, 5).to(MemoryFormat::channels_last).to(kEmulated).set_requires_grad();
}

struct Outcome {
  Tensor y, dx;
  NamedTensors gradients, buffers;
  std::map<std::string, int, std::less<>> calls;
  std::size_t saved = 0;
};
// A training step of the block with autocast to `dtype`.
template <typename Step>
Outcome run(Build build, DType dtype, const Step& step) {
  manual_seed(3);
  const auto block = build();
  block->to(kEmulated);
  const Tensor x = images();
  Outcome out;
  {
    const Autocast autocast(dtype);
    Calls calls;
    SavedImages hook;
    const SavedTensorHook::Scope scope(&hook);
    out.y = step(*block, x);
    out.calls = calls.count;
    out.saved = hook.storages.size();
  }
  out.y.backward(uniform(out.y.shape(), -1, 1, out.y.dtype(), 6).to(MemoryFormat::channels_last).to(kEmulated));
  out.dx = x.grad();
  for (const NamedTensor& parameter : block->named_parameters())
    out.gradients.push_back({parameter.name, parameter.tensor.grad()});
  out.buffers = block->named_buffers();
  return out;
}
Tensor plainly(nn::Module& block, const Tensor& x) { return block(x); }
Outcome fused(Build build) { return run(build, DType::f16, plainly); }
Outcome unfused(Build build) {
  const nn::NormInside never(false);
  return run(build, DType::f16, plainly);
}

void check_near(const std::string& what, const Tensor& got, const Tensor& wanted) {
  INFO(what);
  const std::vector<double> a = got.to_vector(), b = wanted.to_vector();
  REQUIRE(a.size() == b.size());
  double largest = 0, error = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::fabs(b[i]));
    error = std::max(error, std::fabs(a[i] - b[i]));
  }
  CHECK(error <= 4e-3 * std::max(largest, 1e-2));  // four roundings of f16
}
void check_alike(const Outcome& got, const Outcome& wanted) {
  check_near("y", got.y, wanted.y);
  check_near("dx", got.dx, wanted.dx);
  REQUIRE(got.gradients.size() == wanted.gradients.size());
  for (std::size_t i = 0; i < got.gradients.size(); ++i)
    check_near(got.gradients[i].name, got.gradients[i].tensor, wanted.gradients[i].tensor);
  for (std::size_t i = 0; i < got.buffers.size(); ++i)
    check_near(got.buffers[i].name, got.buffers[i].tensor, wanted.buffers[i].tensor);
}
int calls_of(const Outcome& outcome, const char* slot) {
  const auto found = outcome.calls.find(slot);
  return found == outcome.calls.end() ? 0 : found->second;
}

}  // namespace

TEST_CASE("blocks with batch norm inside their convolutions give what they give without") {
  for (const Build build : {basic, bottleneck, dense, inception}) {
    const Outcome inside = fused(build), outside = unfused(build);
    CHECK(inside.y.dtype() == DType::f16);
    CHECK(calls_of(inside, "normalized_conv2d_forward") > 0);
    CHECK(calls_of(outside, "normalized_conv2d_forward") == 0);
    check_alike(inside, outside);
  }
}

TEST_CASE("a bottleneck keeps no normalised map, and reads none for its statistics outside of a convolution") {
  const Outcome inside = fused(bottleneck), outside = unfused(bottleneck);
  CHECK(inside.saved + 2 == outside.saved);                   // of bn1 and bn2
  CHECK(calls_of(inside, "conv2d_statistics_forward") == 2);  // conv1 and the shortcut's
  CHECK(calls_of(inside, "normalized_conv2d_forward") == 2);
  // Each fused convolution by its parts takes its own; nobody else does.
  CHECK(calls_of(inside, "batch_norm_statistics") == 4);
  CHECK(calls_of(inside, "batch_norm_running") == 4);
}

TEST_CASE("batch norm stays outside of convolutions in evaluation, in bf16 and of contiguous images") {
  const auto evaluated = [](nn::Module& block, const Tensor& x) {
    block.eval();
    return block(x);
  };
  const auto contiguous = [](nn::Module& block, const Tensor& x) { return block(x.contiguous()); };
  for (const Outcome& outcome : {run(inception, DType::f16, evaluated), run(inception, DType::bf16, plainly),
                                 run(inception, DType::f16, contiguous)}) {
    CHECK(calls_of(outcome, "normalized_conv2d_forward") == 0);
    CHECK(calls_of(outcome, "conv2d_statistics_forward") == 0);
    CHECK(calls_of(outcome, "conv2d_forward") == 7);
  }
}

TEST_CASE("a block with batch norm inside can be checkpointed: the same bits, statistics moved once") {
  for (const Build build : {bottleneck, dense}) {
    const Outcome kept = fused(build);
    const Outcome again = run(build, DType::f16, [](nn::Module& block, const Tensor& x) {
      return checkpoint([&block](const Tensor& in) { return block(in); }, x);
    });
    CHECK(same_bits(kept.y, again.y));
    CHECK(same_bits(kept.dx, again.dx));
    for (std::size_t i = 0; i < kept.gradients.size(); ++i)
      CHECK(same_bits(kept.gradients[i].tensor, again.gradients[i].tensor));
    for (std::size_t i = 0; i < kept.buffers.size(); ++i)
      CHECK(same_bits(kept.buffers[i].tensor, again.buffers[i].tensor));
  }
}

TEST_CASE("a step with batch norm inside is recorded without waiting, and replays give the bits of running it") {
  const auto train = [](bool record) {
    manual_seed(3);
    const auto block = bottleneck();
    block->to(kEmulated);
    const Tensor x = images().detach();
    Tensor y;
    const auto body = [&] {
      const NoSync no_sync;
      const Autocast autocast(DType::f16);
      y = (*block)(x);
    };
    if (record) {
      CapturedStep step(kEmulated);
      step.record(body);
      for (int i = 0; i < 3; ++i) step.replay();
      return std::pair(y.to_vector(), block->named_buffers()[0].tensor.to_vector());
    }
    for (int i = 0; i < 3; ++i) body();
    return std::pair(y.to_vector(), block->named_buffers()[0].tensor.to_vector());
  };
  CHECK(train(true) == train(false));
}

TEST_CASE("inception and dense blocks on the device write in place: the forward pass copies no map") {
  for (const Build build : {inception_d2l, inception, dense_net})
    for (const DType dtype : {DType::f32, DType::bf16}) {
      manual_seed(3);
      const auto net = build();
      net->to(kEmulated);
      net->to(dtype);
      const Tensor x = images().detach().to(dtype).set_requires_grad();
      Tensor y;
      {
        Calls calls;
        y = (*net)(x);
        CHECK(calls.large_copies == 0);
      }
      CHECK(y.layout().dense());
      // The same values and gradients as on the CPU, where concat copies.
      manual_seed(3);
      const auto there = build();
      there->to(dtype);
      const Tensor there_x = images().detach().to(Device{}).to(dtype).set_requires_grad();
      const Tensor there_y = (*there)(there_x);
      const double tolerance = dtype == DType::f32 ? 1e-4 : 6e-2;
      const auto near = [&](const Tensor& a, const Tensor& b) {
        const std::vector<double> got = a.to_vector(), wanted = b.to_vector();
        REQUIRE(got.size() == wanted.size());
        for (std::size_t i = 0; i < got.size(); ++i)
          if (std::fabs(got[i] - wanted[i]) > tolerance * std::max(1.0, std::fabs(wanted[i])))
            return message("element ", i, ": ", got[i], " for ", wanted[i]);
        return std::string();
      };
      CHECK(near(y, there_y) == "");
      if (dtype != DType::f32) continue;
      sum(y * y).backward();
      sum(there_y * there_y).backward();
      CHECK(near(x.grad(), there_x.grad()) == "");
    }
}
