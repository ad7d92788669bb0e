// What goes wrong is one clear line on standard error, with the promised exit code, and nothing half-written.
#include <signal.h>

#include <algorithm>

#include "core/file.h"
#include "core/npy.h"
#include "core/safetensors.h"
#include "tests/catch.h"
#include "tests/cli/program.h"
#include "tests/scratch.h"
#include "tests/train/file_size_limit.h"

using namespace weft;
using namespace weft::tests;
using Words = std::vector<std::string>;

namespace {

Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

const Words kTinyRun = {"train",        "--model", "softmax_regression", "--data", "shapes", "--samples", "60",
                        "--batch-size", "20",      "--epochs",           "1",      "--quiet"};

// Exit code and one line that starts with "weft: " and holds the text; nothing else on standard error.
void check_refused(const Words& arguments, int code, const std::string& text) {
  const Finished finished = run_weft(arguments);
  INFO(finished.out);
  CHECK(finished.code == code);
  CHECK_THAT(finished.err, contains(text));
  CHECK(finished.err.starts_with("weft: "));
  CHECK(std::count(finished.err.begin(), finished.err.end(), '\n') == 1);
}

}  // namespace

TEST_CASE("weft alone prints what there is and exits 2") {
  const Finished finished = run_weft({});
  CHECK(finished.code == 2);
  CHECK_THAT(finished.out, contains("train") && contains("bench"));
}

TEST_CASE("unknown words suggest the nearest") {
  check_refused({"trian"}, 2, "did you mean");
  check_refused(kTinyRun + Words{"--bathc-size", "3"}, 2, "unknown flag --bathc-size; did you mean --batch-size?");
  check_refused(kTinyRun + Words{"--epoch=3"}, 2, "unknown flag --epoch; did you mean --epochs?");
  check_refused(kTinyRun + Words{"--qqqqqqqqqq"}, 2, "unknown flag --qqqqqqqqqq");
  check_refused(kTinyRun + Words{"extra"}, 2, "unexpected word extra");
  check_refused({"train", "--model", "lenett", "--data", "shapes"}, 2, "lenet");
  check_refused({"train", "--model", "lenet", "--data", "fashion-mnits"}, 2, "fashion-mnist");
  check_refused({"train", "--opt", "adm", "--data", "shapes"}, 2, "adam");
  check_refused({"models", "lenett"}, 2, "lenet");
  check_refused({"data", "shape"}, 2, "shapes");
}

TEST_CASE("an image that vanishes in a net exits 2 and names its size, the layer and what is left there") {
  check_refused({"models", "alexnet_d2l", "--img-size", "28"}, 2,
                "samples of shape (1, 28, 28) do not fit the net; features.5: max_pool2d: ");
  check_refused({"models", "densenet121", "--img-size", "16"}, 2,
                "samples of shape (3, 16, 16) do not fit the net; features.transition3.pool: avg_pool2d: ");
  check_refused({"models", "inception_v3", "--img-size", "2"}, 2, "Conv2d_1a_3x3.conv: conv2d: ");
  check_refused({"train", "--model", "vgg16", "--data", "shapes", "--steps", "1"}, 2,
                "samples of shape (1, 28, 28) do not fit the net; features.30: max_pool2d: ");
  check_refused({"bench", "--model", "nin", "--img-size", "9"}, 2, "do not fit the net; ");
  check_refused({"models", "resnet18", "--img-size", "16384"}, 2, "--img-size: is at most 2048 here");
}

TEST_CASE("fewer classes than the data has exit 2 before anything is written") {
  const Scratch scratch;
  const std::string output = scratch / "run";
  check_refused(kTinyRun + Words{"--num-classes", "5", "--output", output}, 2,
                "--num-classes: must be at least 10, the classes of data shapes; got 5");
  CHECK_FALSE(std::filesystem::exists(output));
  CHECK(run_weft(kTinyRun + Words{"--num-classes", "12"}).code == 0);
}

TEST_CASE("flags out of range or without a value exit 2 and name the flag") {
  check_refused(kTinyRun + Words{"--batch-size", "0"}, 2, "--batch-size: needs a whole number from 1");
  check_refused(kTinyRun + Words{"--lr", "-0.1"}, 2, "--lr: needs a number of at least 0, got '-0.1'");
  check_refused(kTinyRun + Words{"--lr"}, 2, "--lr");
  check_refused(kTinyRun + Words{"--epochs", "many"}, 2, "--epochs: needs a whole number");
  check_refused(kTinyRun + Words{"--drop", "1.5"}, 2, "--drop");
  check_refused(kTinyRun + Words{"--nesterov=maybe"}, 2, "--nesterov: is a switch and takes no value, got 'maybe'");
  check_refused(kTinyRun + Words{"--nesterov=false"}, 2, "--nesterov: is a switch");
  check_refused({"models", "--json="}, 2, "--json: is a switch");
  check_refused({"bench", "--steps", "0"}, 2, "--steps: needs a whole number from 1");
}

TEST_CASE("devices that are not there exit 2") {
  check_refused(kTinyRun + Words{"--device", "cuda"}, 2, "cuda");
  check_refused(kTinyRun + Words{"--capture", "--device", "cpu"}, 2, "the cpu records no steps");
  check_refused(kTinyRun + Words{"--profile-steps", "1:2", "--device", "cpu"}, 2, "use it with --device cuda");
  check_refused(kTinyRun + Words{"--profile-steps", "2"}, 2, "needs FIRST:LAST");
  check_refused(kTinyRun + Words{"--device", "tpu"}, 2, "tpu");
  check_refused(kTinyRun + Words{"--device", "cpu:1"}, 2, "cpu:1");
}

TEST_CASE("a model and data that do not fit exit 2") {
  check_refused({"train", "--model", "linear_regression", "--data", "shapes"}, 2, "regression");
}

TEST_CASE("configs that cannot be read exit 2 and name file and line") {
  const tests::Scratch folder;
  const std::string file = folder / "bad.toml";
  write_file(file, "lr = 0.5\nbatchsize = 3\n");
  check_refused({"train", "--config", file}, 2, "bad.toml:2: unknown key 'batchsize'");
  write_file(file, "lr = [\n");
  check_refused({"train", "--config", file}, 2, "bad.toml:");
  check_refused({"train", "--config", folder / "none.toml"}, 2, "none.toml");
}

TEST_CASE("a mistake leaves no run folder behind") {
  const tests::Scratch folder;
  const std::string output = folder / "run";
  check_refused({"train", "--model", "lenett", "--output", output}, 2, "lenet");
  check_refused({"train", "--data", "fashion-mnist", "--data-dir", folder / "nowhere", "--output", output}, 3,
                "nowhere");
  CHECK_FALSE(std::filesystem::exists(output));
}

TEST_CASE("data files that are truncated or wrong exit 3 and name file and offset") {
  const tests::Scratch folder;
  const std::filesystem::path data = folder / "fashion-mnist";
  std::filesystem::create_directory(data);
  const Words run = {"train",      "--model",     "softmax_regression", "--data", "fashion-mnist",
                     "--data-dir", folder.path(), "--epochs",           "1"};
  const auto header = [](std::initializer_list<unsigned> sizes) {
    std::string bytes("\0\0\x08", 3);
    bytes += static_cast<char>(sizes.size());
    for (const unsigned size : sizes)
      for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift & 255);
    return bytes;
  };
  const std::string images = (data / "train-images-idx3-ubyte").string();
  const std::string labels = (data / "train-labels-idx1-ubyte").string();
  write_file(labels, header({2}) + std::string("\x01\x02"));

  write_file(images, header({2, 28, 28}) + std::string(1000, 'x'));
  check_refused(run, 3, "train-images-idx3-ubyte");
  write_file(images, "not an idx file at all");
  check_refused(run, 3, "offset");
  write_file(images, header({2, 28, 28}) + std::string(2 * 784, 'x'));
  write_file(labels, header({2}) + std::string("\x01\x0b"));
  check_refused(run, 3, "11");  // a label out of range
  write_file(labels, header({3}) + std::string("\x01\x02\x03"));
  check_refused(run, 3, "train-labels-idx1-ubyte");
}

TEST_CASE("weights that do not fit exit 2 with three lists, and damaged ones exit 3") {
  const tests::Scratch folder;
  const std::string file = folder / "weights.safetensors";
  write_safetensors(file, {{"fc.weight", zeros({10, 3})}, {"extra", zeros({1})}});
  const Words eval = {"eval", "--weights", file, "--model", "softmax_regression", "--data", "shapes"};
  const Finished finished = run_weft(eval);
  CHECK(finished.code == 2);
  for (const char* text : {"missing", "fc.bias", "unexpected", "extra", "mismatched", "fc.weight"})
    CHECK_THAT(finished.err, contains(text));
  write_file(file, std::string("\xff\xff\xff\xff\0\0\0\0{}", 10));
  check_refused(eval, 3, "weights.safetensors");
  check_refused({"eval", "--weights", folder / "none", "--model", "softmax_regression"}, 3, "none");
  check_refused({"eval", "--model", "softmax_regression", "--data", "shapes"}, 2, "--weights");
}

TEST_CASE("inputs that do not fit exit 2 or 3") {
  const tests::Scratch folder;
  const std::string weights = folder / "w.safetensors", input = folder / "x.npy";
  REQUIRE(run_weft(kTinyRun + Words{"--output", folder / "run"}).code == 0);
  const Words predict = {"predict", "--run", folder / "run", "--input", input};
  write_npy(input, zeros({2, 3, 28, 28}));
  check_refused(predict, 2, "(2, 3, 28, 28)");
  write_npy(input, zeros({2, 1, 28, 28}, {.dtype = DType::i64}));
  check_refused(predict, 2, "i64");
  write_file(input, "\x93NUMPY");
  check_refused(predict, 3, "x.npy");
}

TEST_CASE("a run folder in use, or with a run, is refused with exit 2") {
  const tests::Scratch folder;
  const std::string output = folder / "run";
  Program holder({"train", "--model", "softmax_regression", "--data", "shapes", "--samples", "500", "--batch-size",
                  "10", "--epochs", "100000", "--log-interval", "1", "--output", output});
  while (holder.running() && holder.output_so_far().find("step ") == std::string::npos) continue;
  check_refused(kTinyRun + Words{"--output", output}, 2, "in use by another process");
  check_refused(kTinyRun + Words{"--output", output, "--overwrite"}, 2, "in use by another process");
  holder.send(SIGKILL);
  holder.wait();
  check_refused(kTinyRun + Words{"--output", output}, 2, "holds a run already");
  check_refused(kTinyRun + Words{"--output", output, "--resume", "--overwrite"}, 2, "exclude each other");
  check_refused(kTinyRun + Words{"--output", output, "--resume"}, 2, "--samples: this run was started with '500'");
  CHECK(run_weft(kTinyRun + Words{"--output", output, "--overwrite"}).code == 0);
  check_refused(kTinyRun + Words{"--output", output, "--resume", "--batch-size", "5"}, 2, "--batch-size");
  CHECK(run_weft(kTinyRun + Words{"--output", output, "--resume"}).code == 0);
}

TEST_CASE("a full disk costs warnings and exit 1 in the end, leaves nothing half-written, and can be made up for") {
  const Scratch folder;
  const std::string output = folder / "run";
  {
    const FileSizeLimit full(8192);  // the weights have 31 kB; the started program inherits the limit
    const Finished finished = run_weft(kTinyRun + Words{"--output", output});
    CHECK(finished.code == 1);
    CHECK_THAT(finished.err, contains("cannot write") && contains("could not be saved"));
  }
  for (const auto& entry : std::filesystem::directory_iterator(output)) {
    const std::string name = entry.path().filename().string();
    INFO(name);
    CHECK((name == ".lock" || name == "config.toml" || name == "metrics.csv" || name.starts_with("events.")));
  }
  CHECK(run_weft(kTinyRun + Words{"--output", output, "--resume"}).code == 0);
  CHECK(std::filesystem::exists(output + "/last.safetensors"));
}

TEST_CASE("a run whose loss is not finite exits 5 and names the step", "[N4]") {
  const Finished finished = run_weft(kTinyRun + Words{"--model", "mlp", "--lr", "1e30"});
  CHECK(finished.code == 5);
  CHECK_THAT(finished.err, contains("the loss of step "));
}

TEST_CASE("kernels are forced and traced by environment, and wrong names are refused") {
  const Words softmax = {"op", "softmax", "--shape", "4x7", "--repeat", "1"};
  const Finished traced = run_weft(softmax, {"WEFT_TRACE=kernels", "WEFT_KERNELS=softmax_forward=rows"});
  CHECK(traced.code == 0);
  CHECK_THAT(traced.err, contains("kernel softmax_forward -> cpu.rows (forced)"));
  for (const auto& [wanted, words] : {std::pair{"softmax_forward=gone", "has no candidate 'gone'; it has cpu.rows"},
                                      std::pair{"softmux=rows", "no kernel slot is called 'softmux'"},
                                      std::pair{"rows", "'rows' is not of the form slot=candidate"}}) {
    const Finished refused = run_weft(softmax, {std::string("WEFT_KERNELS=") + wanted});
    CHECK(refused.code == 2);
    CHECK_THAT(refused.err, contains(words));
  }
}
