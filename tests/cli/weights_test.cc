// Weights files at the command line: .pth beside safetensors, convert, a head for other classes, and photos.
#include <zlib.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/npy.h"
#include "core/safetensors.h"
#include "data/image.h"
#include "data/registry.h"
#include "models/registry.h"
#include "tests/catch.h"
#include "tests/cli/program.h"
#include "tests/scratch.h"

using namespace weft;
using namespace weft::tests;
using Words = std::vector<std::string>;
using Json = nlohmann::json;

namespace {

const std::string kGolden = "tests/golden/files/";
const Words kSoftmax = {"--model", "softmax_regression", "--img-size", "4", "--num-classes", "3"};
const Words kColourNet = {"--model", "lenet", "--in-chans", "3", "--img-size", "20", "--num-classes", "6"};

Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::string succeed(const Words& arguments) {
  const Finished finished = run_weft(arguments);
  INFO(finished.err);
  CHECK(finished.code == 0);
  return finished.out;
}

void check_refused(const Words& arguments, int code, const std::string& text) {
  const Finished finished = run_weft(arguments);
  CHECK(finished.code == code);
  CHECK_THAT(finished.err, contains(text));
  CHECK(std::count(finished.err.begin(), finished.err.end(), '\n') == 1);
}

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 255);
  return bytes;
}
std::string png_chunk(const std::string& text) {  // type and content
  const auto* const bytes = reinterpret_cast<const Bytef*>(text.data());
  return big_endian(static_cast<std::uint32_t>(text.size() - 4)) + text +
         big_endian(static_cast<std::uint32_t>(::crc32(0, bytes, static_cast<uInt>(text.size()))));
}
// Black, grey in the file, one pixel wide.
std::string thin_png(std::uint32_t height) {
  const std::vector<Bytef> rows(2 * std::size_t{height});  // each begins with the number of its filter
  std::vector<Bytef> packed(::compressBound(rows.size()));
  uLongf bytes = packed.size();
  ::compress(packed.data(), &bytes, rows.data(), rows.size());
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR" + big_endian(1) + big_endian(height) + std::string("\b\0\0\0\0", 5)) +
         png_chunk("IDAT" + std::string(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(bytes))) +
         png_chunk("IEND");
}

std::unique_ptr<nn::Module> colour_net() {
  return models::make_model("lenet", {.in_channels = 3, .image_size = 20, .classes = 6});
}

}  // namespace

TEST_CASE("convert writes what a .pth file holds, under the net's names, and says how much") {
  const Scratch folder;
  const std::string plain = folder / "a.safetensors", named = folder / "b.safetensors";
  CHECK_THAT(succeed({"convert", kGolden + "softmax.pth", plain}), contains("a.safetensors: 2 tensors"));
  CHECK(read_safetensors(plain)[0].name == "module.fc.weight");
  const Words convert = {"convert", kGolden + "softmax.pth", named};
  check_refused(convert + Words{"--model", "mlp"}, 2, "missing: fc1.weight");
  CHECK_FALSE(std::filesystem::exists(named));
  succeed(convert + kSoftmax);
  CHECK(read_safetensors(named)[0].name == "fc.weight");
}

TEST_CASE("convert changes the dtype of floating tensors only") {
  const Scratch folder;
  const std::string file = folder / "half.safetensors";
  const Json told = Json::parse(succeed({"convert", kGolden + "nested.pth", file, "--dtype", "bfloat16", "--json"}));
  CHECK(told == Json{{"output", file}, {"tensors", 5}, {"bytes", 4 * 2 * 2 + 8}});
  for (const NamedTensor& entry : read_safetensors(file))
    CHECK(entry.tensor.dtype() == (entry.name == "num_batches_tracked" ? DType::i64 : DType::bf16));
}

TEST_CASE("convert refuses what it cannot do and leaves nothing behind") {
  const Scratch folder;
  const std::string good = kGolden + "softmax.pth", out = folder / "o.safetensors";
  check_refused({"convert", good}, 2, "weft convert IN OUT");
  check_refused({"convert", good, folder / "o.pth"}, 2, "o.safetensors");
  check_refused({"convert", good, out, "--dtype", "int8"}, 2, "--dtype");
  check_refused({"convert", folder / "none", out}, 3, "none");
  check_refused({"convert", kGolden + "module.pth", out}, 3, "it asks for Python's");
  check_refused({"convert", kGolden + "f4.npy", out}, 3, "f4.npy");
  check_refused({"convert", good, folder / "nowhere/o.safetensors"}, 1, "cannot create");
  CHECK(std::filesystem::is_empty(folder.path()));
  CHECK_THAT(succeed({"convert", "--help"}), contains("--dtype"));
}

TEST_CASE("predict takes a .pth file whatever it is called") {
  const Scratch folder;
  write_file(folder / "w.safetensors", read_text_file(kGolden + "softmax.pth"));
  write_npy(folder / "x.npy", ones({1, 1, 4, 4}));
  succeed(Words{"predict", "--weights", folder / "w.safetensors", "--input", folder / "x.npy", "--output",
                folder / "y.npy"} +
          kSoftmax);
  // Row r of the weights holds (16 r - 2 + c) / 32, c from 0 to 15; the biases are 0.5, -0.5 and 0.
  const std::vector<double> y = read_npy(folder / "y.npy").to_vector();
  REQUIRE(y.size() == 3);
  CHECK(y[0] == Approx(88 / 32.0 + 0.5));
  CHECK(y[1] == Approx(344 / 32.0 - 0.5));
  CHECK(y[2] == Approx(600 / 32.0));
}

TEST_CASE("weights of other classes: --pretrained replaces the head and says so, eval refuses them") {
  const Scratch folder;
  const std::string file = folder / "w.safetensors";
  write_safetensors(file, {{"fc.weight", ones({7, 784})}, {"fc.bias", ones({7})}});
  const Words net = {"--model", "softmax_regression", "--data", "shapes", "--samples", "20"};
  const Finished trained =
      run_weft(Words{"train", "--pretrained", file, "--epochs", "1", "--batch-size", "20", "--quiet"} + net);
  CHECK(trained.code == 0);
  CHECK_THAT(trained.err, contains("the head is for another number of classes and is NOT loaded") &&
                              contains("fc.weight") && contains("(7, 784) in the file"));
  check_refused(Words{"eval", "--weights", file} + net, 2, "mismatched: fc.weight");
}

TEST_CASE("predict decodes photos, prepares them and names the most probable classes") {
  if (!data::can_read_images()) return;
  const Scratch folder;
  const std::unique_ptr<nn::Module> net = colour_net();
  net->eval();
  const std::string weights = folder / "w.safetensors", classes = folder / "classes.txt";
  write_safetensors(weights, net->state());
  write_file(classes, "ant\nbee\r\ncat\ndog\nelk\nfox\n");
  const Words photos = {kGolden + "photo_rgb.jpg", kGolden + "photo_grey.png"};
  const Words command = Words{"predict", "--weights", weights, "--classes", classes} + kColourNet;
  const Words imagenet = {"--preprocess", "imagenet", "--resize", "24", "--json", "--output", folder / "y.npy"};
  const Json list = Json::parse(succeed(command + photos + imagenet));
  REQUIRE(list.size() == 2);
  const data::Preprocessing wanted{
      .resize = 24, .crop = 20, .mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}};
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(list[i]["input"] == photos[i]);
    CHECK(list[i]["top"].size() == 5);
    const std::vector<double> expected =
        (*net)(preprocess(data::read_image(photos[i]), wanted).unsqueeze(0)).to_vector();
    const auto best = std::max_element(expected.begin(), expected.end()) - expected.begin();
    CHECK(list[i]["top"][0]["index"] == best);
    CHECK(list[i]["top"][0]["name"] == Words{"ant", "bee", "cat", "dog", "elk", "fox"}[best]);
    const std::vector<double> seen = read_npy(folder / "y.npy").select(0, static_cast<int>(i)).to_vector();
    for (std::size_t k = 0; k < seen.size(); ++k) CHECK(seen[k] == Approx(expected[k]).epsilon(1e-4).margin(1e-5));
  }
  CHECK_THAT(succeed(command + photos), contains("photo_rgb.jpg:  "));
}

TEST_CASE("predict refuses photos and class names that do not fit in one line") {
  if (!data::can_read_images()) return;
  const Scratch folder;
  const std::string weights = folder / "w.safetensors", classes = folder / "classes.txt";
  write_safetensors(weights, colour_net()->state());
  const Words command = Words{"predict", "--weights", weights} + kColourNet;
  const std::string photo = kGolden + "photo_rgb.jpg";
  check_refused(command, 2, "give photos");
  check_refused(command + Words{photo, "--input", "x.npy"}, 2, "give photos");
  check_refused(command + Words{folder / "none.jpg"}, 3, "none.jpg");
  check_refused(command + Words{photo, kGolden + "f4.npy"}, 3, "f4.npy: expected a JPEG or PNG image");
  write_file(folder / "cut.jpg", read_text_file(photo).substr(0, 700));
  check_refused(command + Words{folder / "cut.jpg"}, 3, "cut.jpg: the JPEG image is damaged");
  write_file(folder / "cut.png", read_text_file(kGolden + "photo_rgb.png").substr(0, 200));
  check_refused(command + Words{photo, folder / "cut.png"}, 3, "cut.png: ");
  write_file(folder / "empty.jpg", "");
  check_refused(command + Words{folder / "empty.jpg"}, 3, "empty.jpg: expected an image of 1 to ");
  check_refused(command + Words{folder.path()}, 3, "expected a regular file, found a directory");
  write_file(folder / "web.jpg", "<!doctype html>");
  check_refused(command + Words{folder / "web.jpg"}, 3,
                "web.jpg: expected a JPEG or PNG image, found a SVG or web page");
  for (const std::size_t bytes : {0, 5, 100, 2000}) {
    write_file(folder / "cut.safetensors", read_text_file(weights).substr(0, bytes));
    check_refused(Words{"predict", "--weights", folder / "cut.safetensors", photo} + kColourNet, 3,
                  "cut.safetensors: ");
    write_file(folder / "cut.pth", read_text_file(kGolden + "module.pth").substr(0, bytes / 2));
    check_refused(Words{"predict", "--weights", folder / "cut.pth", photo} + kColourNet, 3, "cut.pth: ");
  }
  write_file(folder / "thin.png", thin_png(3000));
  check_refused(command + Words{photo, folder / "thin.png", "--resize", "30"}, 3,
                "thin.png: image: a picture of 3000 x 1 is too thin to be resized to 30");
  write_file(classes, "ant\nbee\n");
  check_refused(command + Words{photo, "--classes", classes}, 3, "holds 2 names, one a line; the net has 6 classes");
  check_refused(command + Words{photo, "--preprocess", "magic"}, 2, "needs imagenet or whole");
  check_refused(command + Words{photo, "--resize", "10"}, 2, "cannot cut 20 out of 10");
}

TEST_CASE("weights that give NaN end predict and eval with exit code 5, and nothing is written") {
  const Scratch folder;
  const std::string file = folder / "w.safetensors", output = folder / "y.npy";
  const auto write_sick = [&](nn::Module& net) {
    NamedTensors sick = net.state();
    sick.front().tensor = full(sick.front().tensor.shape(), std::numeric_limits<double>::quiet_NaN());
    write_safetensors(file, sick);
  };
  write_sick(*colour_net());
  write_npy(folder / "x.npy", ones({2, 3, 20, 20}));
  check_refused(Words{"predict", "--weights", file, "--input", folder / "x.npy", "--output", output} + kColourNet, 5,
                "the net's answer to input 0 holds a NaN");
  CHECK_FALSE(std::filesystem::exists(output));
  const int classes = static_cast<int>(data::facts("shapes").classes);
  write_sick(*models::make_model("softmax_regression", {.classes = classes}));
  check_refused({"eval", "--weights", file, "--model", "softmax_regression", "--data", "shapes", "--samples", "20"}, 5,
                "nan; are the weights sound?");
}

TEST_CASE("predict reads the names of classes before it computes, and writes nothing when they do not fit") {
  const Scratch folder;
  const std::string weights = folder / "w.safetensors", output = folder / "y.npy";
  write_safetensors(weights, colour_net()->state());
  write_npy(folder / "x.npy", ones({1, 3, 20, 20}));
  write_file(folder / "classes.txt", "ant\nbee\n");
  check_refused(Words{"predict", "--weights", weights, "--input", folder / "x.npy", "--output", output, "--classes",
                      folder / "classes.txt"} +
                    kColourNet,
                3, "the net has 6 classes");
  CHECK_FALSE(std::filesystem::exists(output));
}
