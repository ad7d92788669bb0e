// cuDNN without a GPU: what the slots with batch norm inside a convolution get for each convolution of the nets that
// use them, planned for described GPUs and compared with a table that is kept per version of cuDNN.
// `libraries_tests '[regenerate]'` writes the table anew.
#if WEFT_HAS_CUDNN
#include <filesystem>
#include <set>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "core/file.h"
#include "core/runtime/kernel_planner.h"
#include "kernels/cudnn/graph.h"
#include "kernels/cudnn/profiles.h"
#include "kernels/nvidia/library.h"
#include "models/registry.h"
#include "tests/catch.h"
#include "tools/planned_calls.h"

using namespace weft;
using namespace weft::cudnn;

namespace {

constexpr const char* kGpus[] = {"h200", "a100", "rtx4090"};
constexpr const char* kNets[] = {"resnet18", "resnet50", "densenet121", "inception_bn"};
constexpr std::int64_t kBatch = 256;

bool cudnn_is_here() {
  if (nvidia::cudnn_library().found()) return true;
  WARN(nvidia::cudnn_library().missing());
  return false;
}

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

// "eng62/0": engine without its knobs, and KiB of workspace; "-": by its parts.
std::string entry(const Outcome& outcome) {
  if (!outcome.plan) return "-";
  const std::string& engine = outcome.plan->engine();
  return message(engine.substr(0, engine.find('_')), "/", (outcome.plan->workspace_bytes() + 1023) / 1024);
}

std::vector<std::string> table_of(const std::string& gpu, const std::vector<tools::PlannedCall>& calls) {
  const auto described = described_gpu(properties_of(gpu), gpu);
  std::vector<std::string> lines = {"[" + gpu + "]"};
  for (const tools::PlannedCall& call : calls) {
    std::string line = message(call.layer, " ", call.first[1], "x", call.first[2], " ", call.second[0], "x",
                               call.second[2], " stride ", call.options.stride.h, ":");
    for (const Convolution& graph : graphs(call)) line += " " + entry(build_plan(graph, *described));
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> whole_table() {
  const std::vector<tools::PlannedCall> calls = convolutions();
  std::vector<std::string> parts[std::size(kGpus)], all;
  std::vector<std::thread> workers;
  for (std::size_t i = 0; i < std::size(kGpus); ++i)
    workers.emplace_back([&, i] { parts[i] = table_of(kGpus[i], calls); });
  for (std::thread& worker : workers) worker.join();
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

std::string table_file() {
  return message("tests/golden/cudnn_normalized_plans_", library_version(), "_cuda", library_toolkit(), ".txt");
}
constexpr const char* kHeading =
    "# What cuDNN plans for batch norm inside the convolutions of four nets, f16 channels-last, batches of 256: "
    "engine/\n"
    "# KiB of workspace for convolution + statistics; scale + shift + ReLU, convolution, statistics; scale + shift +\n"
    "# ReLU, weight gradient; data gradient + ReLU's mask + sums. Written by libraries_tests '[regenerate]'.\n";

}  // namespace

TEST_CASE("cuDNN's plans for batch norm inside convolutions are those of the table") {
  if (!cudnn_is_here()) return;
  if (!std::filesystem::exists(table_file())) {
    WARN("no table for cuDNN " << library_version());
    return;
  }
  std::istringstream wanted(read_text_file(table_file()).substr(std::string(kHeading).size()));
  int differences = 0;
  std::string line;
  for (const std::string& found : whole_table()) {
    std::getline(wanted, line);
    if (found != line && ++differences <= 10) UNSCOPED_INFO("found  " << found << "\nwanted " << line);
  }
  CHECK(differences == 0);
  CHECK(!std::getline(wanted, line));
}

TEST_CASE("cuDNN's table of batch norm inside convolutions is written anew", "[.][regenerate]") {
  REQUIRE(cudnn_is_here());
  std::string text = kHeading;
  for (const std::string& line : whole_table()) text += line + "\n";
  write_file(table_file(), text);
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
