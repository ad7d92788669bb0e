// What the subcommands of weft print and write when all is well.
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/npy.h"
#include "core/safetensors.h"
#include "core/version.h"
#include "tests/catch.h"
#include "tests/cli/program.h"
#include "tests/scratch.h"
#include "tests/train/run_outcome.h"

using namespace weft;
using namespace weft::tests;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

namespace {

std::string succeed(const Words& arguments) {
  const Finished finished = run_weft(arguments);
  INFO(finished.err);
  REQUIRE(finished.code == 0);
  CHECK(finished.err.empty());
  return finished.out;
}
Json json_of(const Words& arguments) { return Json::parse(succeed(arguments)); }

Words small_run(const std::string& output) {
  return {"train",  "--model",   "mlp", "--hidden",     "20",  "--drop", "0.2", "--data",
          "shapes", "--samples", "300", "--batch-size", "32",  "--lr",   "0.2", "--epochs",
          "2",      "--seed",    "9",   "--output",     output};
}

Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("weft says its version, which is CMake's too") {
  CHECK(succeed({"--version"}) == message("weft ", kVersion, "\n"));
  CHECK_THAT(read_text_file("CMakeLists.txt"), contains(message("VERSION ", kVersion, " ")));
}

TEST_CASE("every command explains itself within a screen per group") {
  CHECK_THAT(succeed({"--help"}), contains("train") && contains("predict"));
  for (const char* command : {"train", "eval", "predict", "models", "data", "bench", "devices", "plan"}) {
    const std::string help = succeed({command, "--help"});
    CHECK_THAT(help, contains("Usage: weft " + std::string(command)));
    int lines_in_group = 0;
    for (const std::string& line : lines_of(help)) {
      lines_in_group = line.empty() ? 0 : lines_in_group + 1;
      CHECK(lines_in_group <= 24);
    }
  }
}

TEST_CASE("the saved config repeats the run, and the workers do not matter") {
  const Scratch folder;
  succeed(small_run(folder / "first"));
  const RunOutcome first = read_outcome(folder / "first");
  succeed({"train", "--config", folder / "first/config.toml", "--output", folder / "again"});
  CHECK(read_outcome(folder / "again") == first);
  for (const char* workers : {"0", "3"}) {
    succeed(small_run(folder / workers) + Words{"--workers", workers});
    CHECK(read_outcome(folder / workers) == first);
  }
  CHECK(run_weft({"train", "--config", folder / "first/config.toml"}).code == 2);  // it names its own folder
  // Resumed, the folder is enough: the run goes on by its own config, here with another epoch.
  succeed(small_run(folder / "longer") + Words{"--epochs", "3"});
  succeed({"train", "--resume", "--output", folder / "first", "--epochs", "3"});
  CHECK(read_outcome(folder / "first") == read_outcome(folder / "longer"));
  succeed(small_run(folder / "other") + Words{"--seed", "10"});
  CHECK_FALSE(read_outcome(folder / "other") == first);
}

TEST_CASE("a run prints plain lines into a file, and never a carriage return") {
  const std::string out = succeed({"train", "--model", "softmax_regression", "--data", "shapes", "--samples", "100",
                                   "--batch-size", "10", "--epochs", "1", "--log-interval", "5"});
  CHECK_THAT(out, contains("step 5/10 | loss ") && contains(" | top1 ") && contains(" | lr 1.0e-01 | ") &&
                      contains("epoch 1/1 | train loss ") && contains("nothing is saved"));
  CHECK(out.find('\r') == std::string::npos);
}

TEST_CASE("train --json prints one object a line, the last with the result") {
  const Scratch folder;
  const std::vector<std::string> lines = lines_of(succeed(small_run(folder / "run") + Words{"--json"}));
  for (const std::string& line : lines) CHECK(Json::parse(line).is_object());
  const Json last = Json::parse(lines.back());
  CHECK(last["finished"] == true);
  CHECK(last["epochs"] == 2);
  CHECK(last["steps"] == 20);
  CHECK(last["output"] == folder / "run");
  CHECK(last["val_top1"].get<double>() > 0);
}

TEST_CASE("eval tells what the run told of its last epoch, from the run or from the weights") {
  const Scratch folder;
  const Json result = Json::parse(lines_of(succeed(small_run(folder / "run") + Words{"--json"})).back());
  const Json by_run = json_of({"eval", "--run", folder / "run", "--json"});
  CHECK(by_run["top1"] == result["val_top1"]);
  CHECK(by_run["top5"] >= by_run["top1"]);
  CHECK(by_run["samples"] == 50);
  const Json by_weights = json_of({"eval", "--weights", folder / "run/last.safetensors", "--model", "mlp", "--hidden",
                                   "20", "--data", "shapes", "--samples", "300", "--seed", "9", "--json"});
  CHECK(by_weights == by_run);
  CHECK_THAT(succeed({"eval", "--run", folder / "run"}), contains("top1"));
}

TEST_CASE("predict writes logits and names the most probable classes") {
  const Scratch folder;
  succeed(small_run(folder / "run"));
  write_npy(folder / "x.npy", full({3, 1, 28, 28}, 0.5));
  const Json list = json_of({"predict", "--run", folder / "run", "--input", folder / "x.npy", "--output",
                             folder / "y.npy", "--top", "3", "--json"});
  REQUIRE(list.size() == 3);
  CHECK(list[2]["input"] == 2);
  REQUIRE(list[0]["top"].size() == 3);
  const Tensor y = read_npy(folder / "y.npy");
  CHECK(y.shape() == Shape{3, 10});
  const std::vector<double> logits = y.to_vector();
  double sum = 0, largest = -1e9;
  for (int k = 0; k < 10; ++k) sum += std::exp(logits[k]), largest = std::max(largest, logits[k]);
  const Json& best = list[0]["top"][0];
  CHECK(logits[best["index"].get<std::size_t>()] == largest);
  CHECK(best["probability"].get<double>() == Approx(std::exp(largest) / sum));
  CHECK(best["name"].is_string());
  CHECK(list[0]["top"][1]["probability"] <= best["probability"]);
  CHECK_THAT(succeed({"predict", "--weights", folder / "run/last.safetensors", "--model", "mlp", "--hidden", "20",
                      "--input", folder / "x.npy"}),
             contains("0:") && contains("%"));
}

TEST_CASE("models tells LeNet's shapes, parameters and multiply-accumulates", "[CN1]") {
  const Json lenet = json_of({"models", "lenet", "--json"});
  CHECK(lenet["name"] == "lenet");
  CHECK(lenet["total_parameters"] == 61706);
  CHECK(lenet["macs"] == 416520);
  CHECK(lenet["parameters"][0]["shape"] == Json({6, 1, 5, 5}));
  CHECK(lenet["layers"][0]["output_shape"] == Json({1, 6, 28, 28}));
  CHECK(lenet["layers"].back()["type"] == "Linear");
  for (const char* name : {"lenet", "mlp", "softmax_regression", "linear_regression"})
    CHECK_THAT(succeed({"models"}), contains(name));
  CHECK(json_of({"models", "--json"}).size() >= 4);
  CHECK_THAT(succeed({"models", "mlp", "--hidden", "30"}), contains("23,550"));
}

TEST_CASE("models lists every net with its size, input and reference") {
  const Json list = json_of({"models", "--json"});
  CHECK(list.size() == 43);
  for (const Json& net : list) {
    INFO(net["name"]);
    CHECK(net["total_parameters"] > 0);
    CHECK(net["macs"] > 0);
    CHECK_FALSE(net["input_shape"].empty());
    CHECK_FALSE(net["reference"].get<std::string>().empty());
  }
  CHECK_THAT(succeed({"models"}), contains("25,557,032") && contains("4089.2 M") && contains("He et al. 2015"));
  CHECK_THAT(succeed({"models", "resnet18"}), contains("layer4.1.conv2"));
}

TEST_CASE("models shows a large net as blocks, with their outputs and what they are made of") {
  const std::string blocks = succeed({"models", "resnet50"}), layers = succeed({"models", "resnet50", "--layers"});
  CHECK_THAT(blocks, contains("layer4.2  2048 x 7 x 7     4,462,592   218.37  3 Conv2d, 3 BatchNorm\n"));
  CHECK_THAT(blocks, contains("25,557,032  4089.18") && contains("111 layers; --layers shows each"));
  CHECK(blocks.find("layer4.2.conv3") == blocks.npos);
  CHECK_THAT(layers, contains("layer4.2.conv3") && contains("25,557,032  4089.18"));
  // A block's output is all its branches', not the last one's.
  CHECK_THAT(succeed({"models", "inception_v4"}), contains("features.10  1024 x 17 x 17"));
  CHECK_THAT(succeed({"models", "googlenet"}), contains("6,379,984 parameters are in heads that only training sees"));
}

TEST_CASE("op takes as many attributes as are given") {
  const Json said = json_of({"op", "conv2d", "--shape", "1x2x9x9,3x2x3x3,3", "--attr", "stride=2,2", "--attr",
                             "padding=1,1", "--repeat", "1", "--json"});
  CHECK(said["shape"] == Json({1, 3, 5, 5}));
}

TEST_CASE("data, devices and bench tell what they promise") {
  CHECK_THAT(succeed({"data"}), contains("fashion-mnist") && contains("shapes"));
  CHECK(json_of({"data", "shapes", "--json"})["classes"] == 10);
  const Json devices = json_of({"devices", "--json"});
  CHECK(devices["devices"][0]["device"] == "cpu");
  CHECK(devices["devices"][0]["available"] == true);
  const Json bench = json_of({"bench", "--model", "mlp", "--batch-size", "8", "--steps", "3", "--json"});
  for (const char* field : {"step_ms", "forward_ms", "backward_ms", "update_ms", "samples_per_s", "peak_gib"})
    CHECK(bench[field].get<double>() > 0);
  CHECK(json_of({"bench", "--model", "lenet", "--img-size", "32", "--batch-size", "2", "--steps", "1", "--json"})
            .contains("step_ms"));
  CHECK(json_of({"bench", "--model", "linear_regression", "--batch-size", "2", "--steps", "1", "--json"})
            .contains("step_ms"));
  CHECK(json_of({"bench", "--copy", "1", "--json"})["gbytes_per_s"].get<double>() > 0);
}

TEST_CASE("a linear regression is trained by its loss") {
  const Scratch folder;
  succeed({"train", "--model", "linear_regression", "--data", "linear-regression", "--batch-size", "10", "--lr", "0.03",
           "--epochs", "3", "--output", folder / "run"});
  const Json result = json_of({"eval", "--run", folder / "run", "--json"});
  CHECK(result["loss"].get<double>() < 1e-4);
  CHECK(result["top1"].is_null());
}
