#include "data/registry.h"

#include <filesystem>

#include "core/file.h"
#include "data/folders.h"
#include "data/shapes.h"
#include "tests/catch.h"
#include "tests/scratch.h"
#include "tests/variable.h"

namespace weft::data {
namespace {

using tests::Scratch;
using tests::Variable;

// Two images of 28 x 28 and their labels, as files of one split of an MNIST-like set.
void write_tiny(const std::string& folder, const char* stem) {
  std::filesystem::create_directories(folder);
  std::string images("\0\0\x08\x03\0\0\0\x02\0\0\0\x1c\0\0\0\x1c", 16);
  images.append(2 * 28 * 28, '\xff');
  write_file(folder + "/" + stem + "-images-idx3-ubyte", images);
  write_file(folder + "/" + stem + "-labels-idx1-ubyte", std::string("\0\0\x08\x01\0\0\0\x02\x09\x03", 10));
}

}  // namespace

TEST_CASE("known names are listed with their facts; unknown ones get the nearest") {
  for (const std::string& name : names()) {
    CHECK(facts(name).name == name);
    CHECK(facts(name).input.rank() >= 1);
    CHECK((facts(name).classes > 0) != (facts(name).outputs > 0));
  }
  CHECK(facts("fashion-mnist").class_names.at(9) == "ankle boot");
  CHECK_THROWS_WITH(open("fashion-mnits"), "data: unknown data set 'fashion-mnits'; did you mean 'fashion-mnist'?");
  CHECK_THROWS_AS(facts("no such thing"), Error);
}

TEST_CASE("a data set of one's own joins under a new name") {
  class Three final : public Dataset {
   public:
    std::int64_t size() const override { return 3; }
    Sample sample(std::int64_t) const override { return {zeros({1}), zeros({1})}; }
  };
  const auto opener = [](const OpenOptions&) { return std::make_shared<const Three>(); };
  add({.name = "three", .about = "three zeros", .input = {1}, .outputs = 1}, opener);
  CHECK(open("three")->size() == 3);
  CHECK_THROWS_WITH(add({.name = "three"}, opener), "data: the name 'three' is taken already or empty");
}

TEST_CASE("data is looked for in the given folder only, else in WEFT_DATA_DIR, else in the cache") {
  const Scratch given, variable, cache;
  const Variable a("WEFT_DATA_DIR", variable.path().c_str()), b("XDG_CACHE_HOME", cache.path().c_str());
  const OpenOptions here = {.dir = given.path(), .download = false}, anywhere = {.download = false};

  CHECK_THROWS_WITH(open("fashion-mnist", here),
                    given.path() + ": expected fashion-mnist/train-images-idx3-ubyte[.gz] or " +
                        "train-images-idx3-ubyte[.gz] in it, found neither; without a data folder given, weft " +
                        "downloads fashion-mnist");
  CHECK_THROWS_WITH(open("fashion-mnist", {.dir = given / "none"}),
                    given / "none" + ": no such folder, given as the data folder for fashion-mnist");
  CHECK_THROWS_WITH(open("fashion-mnist", anywhere), "fashion-mnist: not found in WEFT_DATA_DIR or " + cache / "weft" +
                                                         "; give its folder or allow the download");
  write_tiny(cache / "weft/fashion-mnist", "train");
  CHECK(open("fashion-mnist", anywhere)->size() == 2);
  CHECK_THROWS_AS(open("fashion-mnist", here), Error);
  write_tiny(given.path(), "train");  // the files themselves
  CHECK(open("fashion-mnist", here)->size() == 2);
  CHECK_THROWS_AS(open("fashion-mnist", {.split = Split::val, .dir = given.path()}), Error);
  std::filesystem::create_directories(variable / "fashion-mnist");
  write_file(variable / "fashion-mnist/train-images-idx3-ubyte", "the first place counts, broken as it is");
  write_file(variable / "fashion-mnist/train-labels-idx1-ubyte", "");
  CHECK_THROWS_WITH(open("fashion-mnist", anywhere), contains(variable.path()));
  write_tiny(variable / "mnist", "t10k");
  const DatasetPtr val = open("mnist", {.split = Split::val, .samples = 1, .download = false});
  CHECK(val->size() == 1);
  CHECK(val->sample(0).input.shape() == Shape{1, 28, 28});
  CHECK(val->sample(0).input.to_vector() == std::vector<double>(784, 1.0));
  CHECK(val->sample(0).target.item() == 9);
}

TEST_CASE("the cache folder follows XDG_CACHE_HOME, then HOME") {
  const Variable home("HOME", "/home/someone"), cache("XDG_CACHE_HOME", nullptr);
  CHECK(cache_folder() == "/home/someone/.cache/weft");
  const Variable other("XDG_CACHE_HOME", "/cache");
  CHECK(cache_folder() == "/cache/weft");
}

TEST_CASE("shapes: splits of a seed differ, and an image depends on seed and index alone") {
  const OpenOptions few = {.seed = 3, .samples = 20};
  const DatasetPtr a = open("shapes", few), b = open("shapes", {.seed = 3, .samples = 50});
  const std::int64_t ten[] = {10}, zero[] = {0};
  CHECK(a->batch(ten).input.to_vector() == b->batch(ten).input.to_vector());
  CHECK(a->batch(ten).target.item() == b->batch(ten).target.item());
  const DatasetPtr val = open("shapes", {.split = Split::val, .seed = 3, .samples = 20});
  CHECK(a->batch(zero).input.to_vector() != val->batch(zero).input.to_vector());
  const DatasetPtr other = open("shapes", {.seed = 4, .samples = 20});
  CHECK(a->batch(zero).input.to_vector() != other->batch(zero).input.to_vector());
}

TEST_CASE("shapes are the same bytes on every machine, every class comes equally often") {
  const std::shared_ptr<const ImageSet> set = shapes(1, 0, 20000);
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a of all pixels
  for (const std::uint8_t byte : set->images().values<std::uint8_t>()) hash = (hash ^ byte) * 0x100000001b3u;
  CHECK(hash == 0x01b720fec10d59b7u);
  std::vector<int> count(kShapesClasses);
  for (const std::int64_t label : set->labels().values<std::int64_t>()) ++count[static_cast<std::size_t>(label)];
  for (const int c : count) CHECK(std::abs(c - 2000) < 200);
}

TEST_CASE("synthetic images have the asked shape, classes and number") {
  const DatasetPtr set = open("synthetic", {.seed = 1, .samples = 64, .input = {3, 8, 5}, .classes = 1000});
  CHECK(set->size() == 64);
  std::vector<std::int64_t> all(64);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
  const Batch batch = set->batch(all);
  CHECK(batch.input.shape() == Shape{64, 3, 8, 5});
  double sum = 0, highest = 0;
  for (const double x : batch.input.to_vector()) sum += x;
  for (const double label : batch.target.to_vector()) highest = std::max(highest, label);
  CHECK(sum / static_cast<double>(batch.input.elements()) == Approx(0.5).margin(0.02));
  CHECK(highest >= 900);
  CHECK(highest < 1000);
  CHECK_THROWS_WITH(open("synthetic", {.input = {3, 8}}),
                    "synthetic: the shape must be (channels, height, width), got (3, 8)");
}

}  // namespace weft::data
