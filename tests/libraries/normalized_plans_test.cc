// cuDNN without a GPU: what the slots with batch norm inside a convolution get for each convolution of the nets that
// use them, planned for described GPUs and compared with a table.
#if WEFT_HAS_CUDNN
#include <set>

#include "core/runtime/kernel_planner.h"
#include "kernels/cudnn/profiles.h"
#include "models/registry.h"
#include "tests/libraries/plan_table.h"
#include "tools/planned_calls.h"

using namespace weft;
using namespace weft::cudnn;

namespace {

constexpr const char* kNets[] = {"resnet18", "resnet50", "densenet121", "inception_bn"};
constexpr std::int64_t kBatch = 256;

// Every convolution of the nets, those of equal sizes once, with the layer that has it.
std::vector<tools::PlannedCall> convolutions() {
  std::vector<tools::PlannedCall> out;
  std::set<std::string> known;
  for (const char* name : kNets) {
    const models::ModelOptions options = models::complete_options(name);
    const auto net = models::make_model(name, options);
    for (tools::PlannedCall& call : tools::planned_calls(*net, models::input_shape(name, options), kBatch)) {
      if (call.slot != "conv2d_forward") continue;
      if (!known.insert(message(call.first, call.second, call.options.stride, call.options.padding)).second) continue;
      call.layer = message(name, " ", call.layer);
      out.push_back(std::move(call));
    }
  }
  return out;
}

Convolution of_call(const tools::PlannedCall& call, Direction direction, bool normalized, bool statistics) {
  Convolution out =
      convolution(direction, DType::f16, MemoryFormat::channels_last, call.first, call.second, call.options);
  out.normalized = normalized;
  out.statistics = statistics;
  return out;
}
std::vector<Convolution> graphs(const tools::PlannedCall& call) {
  return {of_call(call, Direction::forward, false, true), of_call(call, Direction::forward, true, true),
          of_call(call, Direction::backward_weight, true, false), of_call(call, Direction::backward_data, true, false)};
}

// One line per convolution; "-": by its parts.
Lines table_of(const char* gpu, const std::vector<tools::PlannedCall>& calls) {
  const auto described = described_gpu(properties_of(gpu), gpu);
  Lines lines;
  for (const tools::PlannedCall& call : calls) {
    std::string line = message(call.layer, " ", call.first[1], "x", call.first[2], " ", call.second[0], "x",
                               call.second[2], " stride ", call.options.stride.h, ":");
    for (const Convolution& graph : graphs(call)) line += " " + entry(build_plan(graph, *described), "-");
    lines.push_back(line);
  }
  return lines;
}

Lines whole_table() {
  const std::vector<tools::PlannedCall> calls = convolutions();
  return lines_of_gpus([&](const char* gpu) { return table_of(gpu, calls); });
}

const PlanTable kTable = {
    "cudnn_normalized_plans",
    "# What cuDNN plans for batch norm inside the convolutions of four nets, f16 channels-last, batches of 256: "
    "engine/\n"
    "# KiB of workspace for convolution + statistics; scale + shift + ReLU, convolution, statistics; scale + shift +\n"
    "# ReLU, weight gradient; data gradient + ReLU's mask + sums. Written by libraries_tests '[regenerate]'.\n"};

}  // namespace

TEST_CASE("cuDNN's plans for batch norm inside convolutions are those of the table") {
  if (cudnn_is_here()) kTable.check(whole_table());
}

TEST_CASE("cuDNN's table of batch norm inside convolutions is written anew", "[.][regenerate]") {
  REQUIRE(cudnn_is_here());
  kTable.write(whole_table());
}

TEST_CASE("batch norm inside a convolution is refused where cuDNN has no engines for it") {
  if (!cudnn_is_here()) return;
  const auto gpu = described_gpu(properties_of("h200"), "h200");
  Convolution wanted = convolution(Direction::forward, DType::bf16, MemoryFormat::channels_last, {8, 64, 14, 14},
                                   {64, 64, 3, 3}, {.padding = 1});
  CHECK(build_plan(wanted, *gpu).plan);
  wanted.statistics = true;
  CHECK(build_plan(wanted, *gpu).refusal == "batch norm inside a convolution takes f16, not bf16");
  wanted.dtype = DType::f16;
  CHECK(build_plan(wanted, *gpu).plan);
  wanted.format = MemoryFormat::contiguous;
  CHECK(build_plan(wanted, *gpu).refusal == "batch norm inside a convolution takes channels-last images");
}

// Why dense blocks copy their maps side by side where batch norm lives inside the convolutions.
TEST_CASE("engines with batch norm inside take dense images, but for the x of the data gradient") {
  if (!cudnn_is_here()) return;
  for (const char* name : kGpus) {
    const auto gpu = described_gpu(properties_of(name), name);
    for (const Direction direction : {Direction::forward, Direction::backward_weight, Direction::backward_data}) {
      Convolution wanted = convolution(direction, DType::f16, MemoryFormat::channels_last, {256, 128, 56, 56},
                                       {32, 128, 3, 3}, {.padding = 1});
      wanted.normalized = true;
      wanted.statistics = direction == Direction::forward;
      INFO(name << " " << slot_of(wanted));
      CHECK(build_plan(wanted, *gpu).plan);
      wanted.x_pitch = 256;
      CHECK((build_plan(wanted, *gpu).plan != nullptr) == (direction == Direction::backward_data));
      wanted.x_pitch = 0;
      wanted.y_pitch = 256;
      CHECK(build_plan(wanted, *gpu).plan == nullptr);
    }
  }
}

TEST_CASE("convolutions with batch norm inside differ in key and text from plain ones") {
  const Convolution plain = convolution(Direction::forward, DType::f16, MemoryFormat::channels_last, {8, 64, 14, 14},
                                        {64, 64, 3, 3}, {.padding = 1});
  std::set<std::string> texts;
  std::set<std::size_t> hashes;
  for (const bool normalized : {false, true})
    for (const bool statistics : {false, true}) {
      Convolution v = plain;
      v.normalized = normalized;
      v.statistics = statistics;
      CHECK((v == plain) == (!normalized && !statistics));
      texts.insert(to_string(v));
      hashes.insert(ConvolutionHash()(v));
    }
  CHECK(texts.size() == 4);
  CHECK(hashes.size() == 4);
}

TEST_CASE("the planner answers for the slots with batch norm inside") {
  if (!cudnn_is_here()) return;
  ConvolutionCall call{
      .slot = {}, .dtype = DType::f16, .x = {256, 64, 56, 56}, .weight = {64, 64, 3, 3}, .options = {.padding = 1}};
  for (const char* slot : {"conv2d_statistics_forward", "normalized_conv2d_forward", "normalized_conv2d_backward_data",
                           "normalized_conv2d_backward_weight"}) {
    INFO(slot);
    call.slot = slot;
    const PlannedKernel planned = kernel_planner().plan("h200", call);
    CHECK(planned.refusal == "");
    CHECK(planned.candidate == "cudnn.graph");
  }
}
#endif
