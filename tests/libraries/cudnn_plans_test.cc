// cuDNN without a GPU: every graph that weft asks for, over the convolutions of the zoo, planned for described GPUs and
// compared with a table.
#if WEFT_HAS_CUDNN
#include <atomic>

#include "core/numerics.h"
#include "core/runtime/kernel_planner.h"
#include "kernels/cudnn/profiles.h"
#include "tests/libraries/plan_table.h"

using namespace weft;
using namespace weft::cudnn;

namespace {

struct ImageShape {
  const char* net;
  std::int64_t c, h, k, r;
  int stride, padding;
};
// The convolutions of the zoo, without repetitions, and LeNet's. Batches are of 256.
constexpr ImageShape kShapes[] = {
    {"stem", 3, 224, 64, 7, 2, 3},        {"stem", 4, 224, 64, 7, 2, 3},         {"stem", 8, 224, 64, 7, 2, 3},
    {"resnet50", 64, 56, 64, 1, 1, 0},    {"resnet50", 64, 56, 64, 3, 1, 1},     {"resnet50", 64, 56, 256, 1, 1, 0},
    {"resnet50", 256, 56, 64, 1, 1, 0},   {"resnet50", 256, 56, 128, 1, 1, 0},   {"resnet50", 128, 56, 128, 3, 2, 1},
    {"resnet50", 128, 28, 512, 1, 1, 0},  {"resnet50", 256, 56, 512, 1, 2, 0},   {"resnet50", 512, 28, 128, 1, 1, 0},
    {"resnet50", 128, 28, 128, 3, 1, 1},  {"resnet50", 512, 28, 256, 1, 1, 0},   {"resnet50", 256, 28, 256, 3, 2, 1},
    {"resnet50", 256, 14, 1024, 1, 1, 0}, {"resnet50", 512, 28, 1024, 1, 2, 0},  {"resnet50", 1024, 14, 256, 1, 1, 0},
    {"resnet50", 256, 14, 256, 3, 1, 1},  {"resnet50", 1024, 14, 512, 1, 1, 0},  {"resnet50", 512, 14, 512, 3, 2, 1},
    {"resnet50", 512, 7, 2048, 1, 1, 0},  {"resnet50", 1024, 14, 2048, 1, 2, 0}, {"resnet50", 2048, 7, 512, 1, 1, 0},
    {"resnet50", 512, 7, 512, 3, 1, 1},   {"densenet", 96, 56, 128, 1, 1, 0},    {"densenet", 128, 56, 32, 3, 1, 1},
    {"densenet", 224, 28, 128, 1, 1, 0},  {"googlenet", 192, 28, 96, 1, 1, 0},   {"googlenet", 16, 28, 32, 5, 1, 2},
    {"googlenet", 112, 14, 224, 3, 1, 1}, {"googlenet", 24, 14, 64, 5, 1, 2},    {"alexnet", 4, 224, 64, 11, 4, 2},
    {"nin", 96, 26, 256, 5, 1, 2},        {"vgg", 512, 14, 512, 3, 1, 1},        {"lenet", 1, 28, 6, 5, 1, 2},
    {"lenet", 6, 14, 16, 5, 1, 0},
};

struct Arithmetic {
  const char* name;
  DType dtype;
  bool tf32 = false;
};
constexpr Arithmetic kArithmetics[] = {
    {"f32", DType::f32}, {"tf32", DType::f32, true}, {"f64", DType::f64}, {"f16", DType::f16}, {"bf16", DType::bf16}};

Convolution of_shape(const ImageShape& s, Direction direction, DType dtype,
                     MemoryFormat format = MemoryFormat::channels_last) {
  return convolution(direction, dtype, format, {256, s.c, s.h, s.h}, {s.k, s.c, s.r, s.r},
                     {.stride = s.stride, .padding = s.padding});
}

// What weft asks for: forward alone, with bias, with bias and ReLU, and both gradients.
std::vector<Convolution> graphs(const ImageShape& shape, const Arithmetic& arithmetic, MemoryFormat format) {
  Convolution forward = of_shape(shape, Direction::forward, arithmetic.dtype, format);
  forward.tf32 = arithmetic.tf32;
  std::vector<Convolution> out(5, forward);
  out[1].bias = out[2].bias = out[2].relu = true;
  out[3].direction = Direction::backward_data;
  out[4].direction = Direction::backward_weight;
  return out;
}

// One line per shape, arithmetic and format. Clears `complete` where a graph on 16-bit channels-last images has no
// plan.
Lines table_of(const char* name, std::atomic<bool>& complete) {
  const auto gpu = described_gpu(properties_of(name), name);
  Lines lines;
  for (const Arithmetic& arithmetic : kArithmetics)
    for (const MemoryFormat format : {MemoryFormat::channels_last, MemoryFormat::contiguous})
      for (const ImageShape& s : kShapes) {
        std::string line = message(arithmetic.name, " ", format, " ", s.net, " ", s.c, "x", s.h, " ", s.k, "x", s.r,
                                   " stride ", s.stride, ":");
        for (const Convolution& graph : graphs(s, arithmetic, format)) {
          const Outcome outcome = build_plan(graph, *gpu);
          if (bytes_of(arithmetic.dtype) == 2 && format == MemoryFormat::channels_last && !outcome.plan)
            complete = false;
          line += " " + entry(outcome, "refused");
        }
        lines.push_back(line);
      }
  return lines;
}

const PlanTable kTable = {
    "cudnn_plans",
    "# What cuDNN plans for the convolutions of the zoo, batches of 256: engine/KiB of workspace for forward, forward "
    "+\n"
    "# bias, forward + bias + ReLU, data gradient, weight gradient. Written by libraries_tests '[regenerate]'.\n"};

}  // namespace

TEST_CASE("cuDNN's plans for the zoo are those of the table") {
  if (!cudnn_is_here()) return;
  std::atomic complete = true;
  const Lines found = lines_of_gpus([&](const char* gpu) { return table_of(gpu, complete); });
  CHECK(complete);  // in 16 bits and channels-last nothing is refused, whatever the version
  kTable.check(found);
}

TEST_CASE("cuDNN's table is written anew", "[.][regenerate]") {
  REQUIRE(cudnn_is_here());
  std::atomic complete = true;
  kTable.write(lines_of_gpus([&](const char* gpu) { return table_of(gpu, complete); }));
}

TEST_CASE("an f32 convolution takes TF32 engines only when it is allowed to") {
  if (!cudnn_is_here()) return;
  const auto gpu = described_gpu(properties_of("h200"), "h200");
  Convolution wanted = of_shape(kShapes[4], Direction::forward, DType::f32);
  CHECK(!wanted.tf32);
  const Outcome exact = build_plan(wanted, *gpu);
  wanted.tf32 = true;
  const Outcome rounded = build_plan(wanted, *gpu);
  REQUIRE(exact.plan);
  REQUIRE(rounded.plan);
  CHECK(exact.plan->engine() != rounded.plan->engine());
}

TEST_CASE("the switches of the process reach the graphs") {
  const Numerics before = numerics();
  set_numerics({.tf32 = true, .nondeterministic = true, .workspace_limit = 12345});
  const Convolution f32 = of_shape(kShapes[4], Direction::forward, DType::f32);
  CHECK(f32.tf32);
  CHECK(f32.nondeterministic);
  CHECK(f32.workspace_limit == 12345);
  CHECK(!of_shape(kShapes[4], Direction::forward, DType::bf16).tf32);
  set_numerics(before);
  CHECK_THROWS_WITH(set_numerics({.workspace_limit = -1}), contains("must be at least 0 bytes, not -1"));
}

TEST_CASE("a nondeterministic engine is taken only when it is allowed") {
  if (!cudnn_is_here()) return;
  const auto gpu = described_gpu(properties_of("h200"), "h200");
  // cuDNN's first choice for this gradient adds with atomics.
  Convolution wanted = of_shape(kShapes[4], Direction::backward_data, DType::f64);
  const Outcome fixed = build_plan(wanted, *gpu);
  wanted.nondeterministic = true;
  const Outcome free = build_plan(wanted, *gpu);
  REQUIRE(fixed.plan);
  REQUIRE(free.plan);
  CHECK(fixed.plan->engine() != free.plan->engine());
}

TEST_CASE("a convolution beyond the limit of workspace is refused with both figures, or takes a leaner engine") {
  if (!cudnn_is_here()) return;
  const auto gpu = described_gpu(properties_of("h200"), "h200");
  Convolution wanted = of_shape(kShapes[2], Direction::backward_data, DType::f16);  // 8 channels
  const Outcome roomy = build_plan(wanted, *gpu);
  REQUIRE(roomy.plan);
  REQUIRE(roomy.plan->workspace_bytes() > 0);
  wanted.workspace_limit = roomy.plan->workspace_bytes() - 1;
  const Outcome lean = build_plan(wanted, *gpu);
  if (lean.plan) CHECK(lean.plan->workspace_bytes() < roomy.plan->workspace_bytes());
}

TEST_CASE("what cuDNN is not asked for is refused in weft's words") {
  if (!cudnn_is_here()) return;
  const auto gpu = described_gpu(properties_of("h200"), "h200");
  Convolution wanted = of_shape(kShapes[4], Direction::forward, DType::f32);
  wanted.n = 0;
  CHECK(build_plan(wanted, *gpu).refusal == "an image is empty");
  wanted.n = 256;
  wanted.dtype = DType::i32;
  CHECK(build_plan(wanted, *gpu).refusal == "x is i32");
  wanted.dtype = DType::f32;
  wanted.format = MemoryFormat::strided;
  CHECK(build_plan(wanted, *gpu).refusal == "an image is neither contiguous nor channels-last");
}

TEST_CASE("grouped, dilated and oblong convolutions have plans") {
  if (!cudnn_is_here()) return;
  const auto gpu = described_gpu(properties_of("h200"), "h200");
  for (const Direction direction : {Direction::forward, Direction::backward_data, Direction::backward_weight})
    for (const DType dtype : {DType::f32, DType::bf16}) {
      INFO(slot_of(direction) << " " << to_string(dtype));
      const auto last = MemoryFormat::channels_last;
      CHECK(build_plan(
                convolution(direction, dtype, last, {8, 64, 14, 14}, {64, 2, 3, 3}, {.padding = 1, .groups = 32}), *gpu)
                .plan);
      CHECK(
          build_plan(convolution(direction, dtype, last, {8, 16, 14, 14}, {32, 16, 3, 3}, {.dilation = 2}), *gpu).plan);
      CHECK(build_plan(convolution(direction, dtype, last, {8, 16, 17, 17}, {32, 16, 1, 7}, {.padding = {0, 3}}), *gpu)
                .plan);
    }
}

TEST_CASE("slices of wider channels-last images have plans, the engines of dense ones") {
  if (!cudnn_is_here()) return;
  const auto gpu = described_gpu(properties_of("h200"), "h200");
  for (const Direction direction : {Direction::forward, Direction::backward_data, Direction::backward_weight})
    for (const DType dtype : {DType::f16, DType::bf16, DType::f32}) {
      INFO(slot_of(direction) << " " << to_string(dtype));
      Convolution wanted = of_shape(kShapes[3], direction, dtype);
      wanted.bias = wanted.relu = direction == Direction::forward;
      const Outcome dense = build_plan(wanted, *gpu);
      wanted.y_pitch = 96;
      const Outcome slice = build_plan(wanted, *gpu);
      REQUIRE(dense.plan);
      INFO(slice.refusal);
      REQUIRE(slice.plan);
      if (bytes_of(dtype) == 2) CHECK(slice.plan->engine() == dense.plan->engine());
      wanted.x_pitch = 128;
      CHECK(build_plan(wanted, *gpu).plan);
      CHECK(to_string(wanted).find(" x pitch 128 y pitch 96") != std::string::npos);
    }
}

TEST_CASE("GPUs are known by name or by a file of their properties") {
  CHECK_THROWS_WITH(properties_of("h20"), contains("unknown GPU 'h20'; did you mean 'h200'?"));
  CHECK(title_of(properties_of("h100"), "h100") == "NVIDIA H100 80GB HBM3, compute capability 9.0");
  CHECK(title_of(properties_of("rtx4090"), "rtx4090") == "NVIDIA GeForce RTX 4090, compute capability 8.9");
  CHECK(title_of(properties_of("kernels/cudnn/profiles/a100.json"), "f").starts_with("NVIDIA A100"));
  CHECK_THROWS_WITH(title_of("[]", "f.json"), contains("f.json: is no JSON object with deviceName"));
  if (!cudnn_is_here()) return;
  CHECK_THROWS_WITH(described_gpu("{}", "f.json"), contains("f.json: cuDNN"));
  for (const std::string& gpu : kernel_planner().gpus()) {
    INFO(gpu);
    const auto described = described_gpu(properties_of(gpu), gpu);
    CHECK(build_plan(of_shape(kShapes[4], Direction::forward, DType::bf16), *described).plan);
  }
}

TEST_CASE("the planner answers for a slot of conv2d with an engine, or with a refusal") {
  if (!cudnn_is_here()) return;
  const KernelPlanner& planner = kernel_planner();
  CHECK(planner.gpus() == std::vector<std::string>{"a100", "h100", "h200", "rtx4090"});
  CHECK_THAT(planner.describe("h200"), contains("NVIDIA H200, compute capability 9.0; cuDNN " + library_version()));
  ConvolutionCall call{.slot = "conv2d_forward", .dtype = DType::bf16, .x = {8, 16, 14, 14}, .weight = {32, 16, 3, 3}};
  const PlannedKernel planned = planner.plan("h200", call);
  CHECK(planned.candidate == "cudnn.graph");
  CHECK(planned.engine.starts_with("eng"));
  CHECK(planned.refusal == "");
  call.slot = "conv2d_bias_relu_forward";
  call.bias = true;
  CHECK(planner.plan("h200", call).candidate == "cudnn.graph");
  call.dtype = DType::i64;
  CHECK(planner.plan("h200", call).refusal == "x is i64");
  call.slot = "softmax_forward";
  CHECK_THROWS_WITH(planner.plan("h200", call), "plan: 'softmax_forward' is no slot of conv2d");
}
#endif
