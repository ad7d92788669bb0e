// Facts of the real files, where they are: in WEFT_DATA_DIR or the cache folder. Nothing is downloaded for a test.
#include "data/folders.h"
#include "data/loader.h"
#include "data/registry.h"
#include "tests/catch.h"

namespace weft::data {
namespace {

bool absent(const std::string& name) {
  const std::string files[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                               "t10k-labels-idx1-ubyte"};
  const bool found = find_files(name, files, "").has_value();
  if (!found) WARN(name << " is not here; set WEFT_DATA_DIR to test it");
  return !found;
}

const ImageSet& images_of(const DatasetPtr& set) { return dynamic_cast<const ImageSet&>(*set); }

std::vector<int> class_counts(const DatasetPtr& set) {
  std::vector<int> count(10);
  const std::span<const std::int64_t> labels = images_of(set).labels().values<std::int64_t>();
  for (const std::int64_t label : labels) ++count[static_cast<std::size_t>(label)];
  return count;
}

}  // namespace

TEST_CASE("Fashion-MNIST: counts, classes, first labels, batches of resized images", "[L11]") {
  if (absent("fashion-mnist")) return;
  const DatasetPtr train = open("fashion-mnist");
  const DatasetPtr val = open("fashion-mnist", {.split = Split::val});
  CHECK(train->size() == 60000);
  CHECK(val->size() == 10000);
  CHECK(class_counts(train) == std::vector<int>(10, 6000));
  CHECK(class_counts(val) == std::vector<int>(10, 1000));
  const Sample first = train->sample(0);
  CHECK(first.target.item() == 9);
  CHECK(facts("fashion-mnist").class_names[9] == "ankle boot");
  CHECK(first.input.shape() == Shape{1, 28, 28});

  Loader loader(open("fashion-mnist", {.image_size = 64}), {.batch_size = 32, .shuffle = true});
  const std::optional<Batch> batch = loader.next();
  CHECK(batch->input.shape() == Shape{32, 1, 64, 64});
  CHECK(batch->input.dtype() == DType::f32);
  CHECK(batch->target.shape() == Shape{32});
  CHECK(batch->target.dtype() == DType::i64);
}

TEST_CASE("MNIST: counts and first labels") {
  if (absent("mnist")) return;
  const DatasetPtr train = open("mnist"), val = open("mnist", {.split = Split::val});
  CHECK(class_counts(train) == std::vector<int>{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949});
  CHECK(class_counts(val) == std::vector<int>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009});
  CHECK(train->sample(0).target.item() == 5);
  CHECK(val->sample(0).target.item() == 7);
}

TEST_CASE("a batch of the real images is byte / 255") {
  if (absent("fashion-mnist")) return;
  const DatasetPtr set = open("fashion-mnist", {.split = Split::val});
  const std::int64_t indices[] = {9999, 0};
  const Batch batch = set->batch(indices);
  const std::span<const std::uint8_t> bytes = images_of(set).images().values<std::uint8_t>();
  for (std::size_t i = 0; i < 784; ++i) {
    REQUIRE(batch.input.values<float>()[i] == static_cast<float>(bytes[9999 * 784 + i]) / 255.0f);
    REQUIRE(batch.input.values<float>()[784 + i] == static_cast<float>(bytes[i]) / 255.0f);
  }
}

}  // namespace weft::data
