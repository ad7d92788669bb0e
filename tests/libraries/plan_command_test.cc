// weft plan, and the calls it plans for; WEFT_KERNELS with candidates of a module that is loaded for its sake.
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "kernels/nvidia/library.h"
#include "models/registry.h"
#include "nn/nn.h"
#include "tests/catch.h"
#include "tests/cli/program.h"
#include "tests/scratch.h"
#include "tools/planned_calls.h"

using namespace weft;
using namespace weft::tests;
using tools::PlannedCall;
using Json = nlohmann::json;

TEST_CASE("the calls of a training step are found with their layers and the sizes of any batch") {
  const auto net = models::make_model("lenet");
  const std::vector<PlannedCall> calls = tools::planned_calls(*net, models::input_shape("lenet"), 256);
  std::vector<std::string> slots;
  for (const PlannedCall& call : calls) slots.push_back(message(call.slot, " ", call.first, " ", call.second));
  const std::vector<std::string> wanted = {
      "conv2d_forward (256, 1, 28, 28) (6, 1, 5, 5)",
      "conv2d_forward (256, 6, 14, 14) (16, 6, 5, 5)",
      "linear_forward (256, 400) (400, 120)",
      "linear_forward (256, 120) (120, 84)",
      "linear_forward (256, 84) (84, 10)",
      "matmul_forward (256, 10) (10, 84)",
      "linear_backward_weight (10, 256) (256, 84)",
      "matmul_forward (256, 84) (84, 120)",
      "linear_backward_weight (84, 256) (256, 120)",
      "matmul_forward (256, 120) (120, 400)",
      "linear_backward_weight (120, 256) (256, 400)",
      "conv2d_backward_data (256, 6, 14, 14) (16, 6, 5, 5)",
      "conv2d_backward_weight (256, 6, 14, 14) (16, 6, 5, 5)",
      "conv2d_backward_weight (256, 1, 28, 28) (6, 1, 5, 5)",  // of the images themselves no gradient is wanted
  };
  CHECK(slots == wanted);
  CHECK(calls[0].layer == calls[13].layer);
  CHECK(calls[1].layer == calls[11].layer);
  CHECK(calls[4].layer == calls[5].layer);
  CHECK(!calls[0].layer.empty());
  CHECK(calls[0].bias);
  CHECK(calls[0].options.padding == Pair(2));
}

TEST_CASE("equal calls are counted, not repeated") {
  nn::Sequential net(nn::Linear({.in = 4, .out = 4}), nn::Linear({.in = 4, .out = 4}));
  const std::vector<PlannedCall> calls = tools::planned_calls(net, {4}, 8);
  REQUIRE(calls.size() == 3);
  CHECK((calls[0].slot == "linear_forward" && calls[0].times == 2));
  CHECK((calls[1].slot == "matmul_forward" && calls[1].times == 1));
  CHECK((calls[2].slot == "linear_backward_weight" && calls[2].times == 2));
}

#if WEFT_HAS_CUDNN
TEST_CASE("weft plan --kernels lists a net's kernels for a GPU that is not here") {
  if (!nvidia::cudnn_library().found()) return;
  const std::vector<std::string> words = {"plan", "--kernels", "--gpu", "h200", "--model", "lenet", "--dtype", "bf16"};
  const Finished table = run_weft(words);
  INFO(table.err);
  REQUIRE(table.code == 0);
  CHECK_THAT(table.out, contains("NVIDIA H200, compute capability 9.0; cuDNN 9."));
  CHECK_THAT(table.out, contains("lenet, batch 256, bf16, channels-last"));
  CHECK_THAT(table.out, contains("256x1x28x28 * 6x1x5x5 padding 2 + bias"));
  CHECK_THAT(table.out, contains("cudnn.graph eng"));
  CHECK_THAT(table.out, contains("cublas.lt, chosen on the GPU"));

  auto with_json = words;
  for (const char* word : {"--json", "-b", "512"}) with_json.emplace_back(word);
  const Finished finished = run_weft(with_json);
  REQUIRE(finished.code == 0);
  const Json json = Json::parse(finished.out);
  CHECK(json["batch_size"] == 512);
  CHECK(json["dtype"] == "bf16");
  REQUIRE(json["calls"].size() == 14);
  CHECK(json["calls"][0]["first"] == Json({512, 1, 28, 28}));
  CHECK(json["calls"][0]["kernel"] == "cudnn.graph");
  CHECK(json["calls"][0]["workspace_bytes"].is_number_integer());
  CHECK(json["calls"][2]["kernel"] == "cublas.lt");
}

TEST_CASE("weft plan shows batch norm inside the convolutions in f16, and nowhere else") {
  if (!nvidia::cudnn_library().found()) return;
  for (const char* dtype : {"f16", "bf16"}) {
    const Finished finished =
        run_weft({"plan", "--kernels", "--model", "resnet18", "--img-size", "64", "--dtype", dtype, "--json"});
    INFO(finished.err);
    REQUIRE(finished.code == 0);
    std::map<std::string, int> calls;
    const Json json = Json::parse(finished.out);
    for (const Json& call : json["calls"]) {
      const auto slot = call["slot"].get<std::string>();
      calls[slot] += call["calls"].get<int>();
      if (slot.starts_with("normalized_")) CHECK(call["kernel"] == "cudnn.graph");
    }
    // Eight blocks: the second convolution of each reads what the first one's batch norm makes.
    const bool inside = dtype == std::string("f16");
    for (const char* slot :
         {"normalized_conv2d_forward", "normalized_conv2d_backward_data", "normalized_conv2d_backward_weight"})
      CHECK(calls[slot] == (inside ? 8 : 0));
    CHECK(calls["conv2d_statistics_forward"] == (inside ? 12 : 0));
    CHECK(calls["conv2d_forward"] == (inside ? 0 : 20));
    CHECK(calls["conv2d_backward_weight"] == (inside ? 12 : 20));
  }
}

TEST_CASE("weft plan --properties prints what --gpu reads from a file") {
  if (!nvidia::cudnn_library().found()) return;
  const Finished known = run_weft({"plan", "--properties", "--gpu", "h100"});
  INFO(known.err);
  REQUIRE(known.code == 0);
  const tests::Scratch folder;
  const std::string file = folder.path() + "/mine.json";
  write_file(file, known.out);
  const auto plan = [](const std::string& gpu) {
    return run_weft({"plan", "--kernels", "--gpu", gpu, "--model", "lenet", "--dtype", "bf16"}).out;
  };
  CHECK(plan(file) == plan("h100"));
  const Finished own = run_weft({"plan", "--properties", "--gpu", "cuda:0"});
  if (own.code != 0) CHECK_THAT(own.err, contains("NVIDIA driver"));  // where there is a GPU it has properties
}

TEST_CASE("weft plan says what it was not told, and which GPUs it knows") {
  CHECK_THAT(run_weft({"plan", "--model", "lenet"}).err, contains("plan: say what to plan; --kernels lists"));
  CHECK_THAT(run_weft({"plan", "--kernels"}).err, contains("plan: --model is needed"));
  const Finished unknown = run_weft({"plan", "--kernels", "--model", "lenet", "--gpu", "h20"});
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.err, contains("plan: unknown GPU 'h20'; did you mean 'h200'?"));
}
#endif

TEST_CASE("WEFT_KERNELS may name a candidate of the CUDA module before a device is asked for") {
  const Finished known = run_weft({"models"}, {"WEFT_KERNELS=linear_forward=cublas.lt"});
  INFO(known.err);
  CHECK(known.code == 0);
  const Finished unknown = run_weft({"models"}, {"WEFT_KERNELS=linear_forward=cublas.no"});
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.err, contains("has no candidate 'cublas.no'") && contains("cublas.lt"));
}
