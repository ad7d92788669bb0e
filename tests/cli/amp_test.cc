// Mixed precision at the command line: what train, eval and predict say with --amp is what they say without, within the
// rounding of the type, on the CPU and on the emulated device; and what --amp-dtype cannot mean.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/npy.h"
#include "data/loader.h"
#include "data/registry.h"
#include "tests/catch.h"
#include "tests/cli/program.h"
#include "tests/scratch.h"

using namespace weft;
using namespace weft::tests;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

namespace {

Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Json json_of(const Words& arguments) {
  const Finished finished = run_weft(arguments + Words{"--json"});
  INFO(finished.err);
  REQUIRE(finished.code == 0);
  CHECK(finished.err.empty());
  const std::size_t last = finished.out.find_last_of('\n', finished.out.size() - 2);  // train prints a line an interval
  return Json::parse(finished.out.substr(last == std::string::npos ? 0 : last + 1));
}

Words amp(const std::string& dtype) { return {"--amp", "--amp-dtype", dtype}; }

// A net, and what it is trained on; the same words for all three commands.
struct Net {
  Words net, training;
  Words data = {"--data", "shapes", "--seed", "9"};
};
const Net kLenet{{"--model", "lenet", "--act", "relu", "--pool", "max"},
                 {"--batch-size", "32", "--opt", "adam", "--lr", "0.003", "--epochs", "10"}};
const Net kMlp{{"--model", "mlp", "--hidden", "24", "--act", "relu"},
               {"--batch-size", "16", "--opt", "adam", "--lr", "0.003", "--epochs", "4"}};

Json train(const Net& net, const std::string& samples, const std::string& folder, const Words& more) {
  return json_of(Words{"train", "--samples", samples, "--output", folder} + net.net + net.data + net.training + more);
}

// Samples that the nets have not been trained on.
void write_samples(const std::string& file, std::int64_t count) {
  data::Loader loader(data::open("shapes", {.split = data::Split::val, .seed = 9, .samples = count}),
                      {.batch_size = count});
  write_npy(file, loader.next()->input);
}

// How far the two types' figures may be apart: f16 has 11 bits, bf16 8.
double share(const std::string& dtype) { return dtype == "float16" ? 0.01 : 0.05; }

// The same loss and accuracy, and not the same bits: so the type was used.
void check_evaluations(const Json& low, const Json& full, const std::string& dtype) {
  CHECK(low["samples"] == full["samples"]);
  CHECK(low["loss"] != full["loss"]);
  CHECK(low["loss"].get<double>() == Approx(full["loss"].get<double>()).epsilon(share(dtype)));
  for (const char* top : {"top1", "top5"}) CHECK(std::fabs(low[top].get<double>() - full[top].get<double>()) <= 0.02);
}

// The same class on top, unless another is as probable.
void check_predictions(const Json& low, const Json& full, const std::string& dtype) {
  REQUIRE(low.size() == full.size());
  int alike = 0;
  for (std::size_t i = 0; i < low.size(); ++i) {
    const Json &a = low[i]["top"], &b = full[i]["top"];
    const double margin = b[0]["probability"].get<double>() - b[1]["probability"].get<double>();
    if (margin > 2 * share(dtype)) CHECK(a[0]["index"] == b[0]["index"]);
    if (a[0]["index"] != b[0]["index"]) continue;
    ++alike;
    CHECK(std::fabs(a[0]["probability"].get<double>() - b[0]["probability"].get<double>()) <= share(dtype));
  }
  CHECK(alike >= static_cast<int>(low.size()) - 2);
}

// eval and predict of a run in mixed precision, on a device, beside f32 on the CPU.
void check_run(const Net& net, const std::string& samples, const std::string& folder, const std::string& dtype,
               const std::string& device) {
  INFO(dtype << " on " << device);
  const std::string weights = folder + "/last.safetensors", input = folder + "/x.npy";
  write_samples(input, 24);
  const Words from_weights = Words{"--weights", weights} + net.net, from_run = {"--run", folder, "--device", device};
  const Words full = Words{"eval", "--samples", samples} + from_weights + net.data;
  check_evaluations(json_of(Words{"eval"} + from_run), json_of(full), dtype);
  CHECK(json_of(full + amp(dtype) + Words{"--device", device}) == json_of(Words{"eval"} + from_run));
  const Words top = {"--input", input, "--top", "2"};
  check_predictions(json_of(Words{"predict"} + from_run + top), json_of(Words{"predict"} + from_weights + top), dtype);
}

bool has_emulated_device() {
  const Json devices = json_of({"devices"});
  return std::ranges::any_of(devices["devices"], [](const Json& entry) {
    return entry["device"].get<std::string>().starts_with("emulated") && entry["available"] == true;
  });
}

void check_refused(const Words& arguments, const std::string& text) {
  const Finished finished = run_weft(arguments);
  CHECK(finished.code == 2);
  CHECK_THAT(finished.err, contains(text));
  CHECK(std::count(finished.err.begin(), finished.err.end(), '\n') == 1);
}

}  // namespace

TEST_CASE("train, eval and predict with --amp have the f32 accuracy and classes") {
  const Scratch folder;
  const double full = train(kLenet, "640", folder / "f32", {})["val_top1"].get<double>();
  CHECK(full > 0.5);
  for (const char* dtype : {"float16", "bfloat16"}) {
    const Json result = train(kLenet, "640", folder / dtype, amp(dtype));
    CHECK(result["val_top1"].get<double>() > full - 0.05);
    CHECK(json_of({"eval", "--run", folder / dtype})["top1"] == result["val_top1"]);
    check_run(kLenet, "640", folder / dtype, dtype, "cpu");
  }
}

TEST_CASE("train, eval and predict with --amp have the f32 accuracy and classes on the emulated device") {
  if (!has_emulated_device()) return;
  const Scratch folder;
  const double full = train(kMlp, "240", folder / "f32", {})["val_top1"].get<double>();
  for (const char* dtype : {"float16", "bfloat16"}) {
    const Json result = train(kMlp, "240", folder / dtype, amp(dtype) + Words{"--device", "emulated"});
    CHECK(result["val_top1"].get<double>() > full - 0.1);
    check_run(kMlp, "240", folder / dtype, dtype, "emulated");
  }
}

TEST_CASE("a type for --amp without --amp, and types that there are not, are refused in one line") {
  const Scratch folder;
  train(kMlp, "60", folder / "f16", amp("float16") + Words{"--epochs", "1"});
  train(kMlp, "60", folder / "f32", {"--epochs", "1"});
  const std::string alone = "--amp-dtype: says how to compute with --amp, which is not given; got '";
  const Words net = {"--model", "mlp"};
  for (const char* dtype : {"float16", "bfloat16"}) {
    const Words type = {"--amp-dtype", dtype};
    check_refused(Words{"train", "--data", "shapes"} + net + type, alone + dtype);
    check_refused(Words{"eval", "--run", folder / "f32"} + type, alone + dtype);
    check_refused(Words{"predict", "--run", folder / "f32", "--input", "x.npy"} + type, alone + dtype);
    check_refused(Words{"bench"} + net + type, alone + dtype);
    check_refused(Words{"plan", "--memory"} + net + type, alone + dtype);
  }
  check_refused(Words{"eval", "--run", folder / "f32", "--amp", "--amp-dtype", "float32"},
                "--amp-dtype: needs one of float16, bfloat16, got 'float32'");
  check_refused(Words{"eval", "--run", folder / "f16", "--amp=false"}, "--amp: is a switch and takes no value");
  const Words resume = {"train", "--resume", "--epochs", "2", "--output"};
  check_refused(resume + Words{folder / "f16", "--amp-dtype", "bfloat16"}, "this run was started with 'float16'");
  check_refused(resume + Words{folder / "f32", "--amp"}, "this run was started with 'false'");
  CHECK(run_weft({"eval", "--run", folder / "f16", "--amp-dtype", "bfloat16"}).code == 0);  // its --amp, another type
}
