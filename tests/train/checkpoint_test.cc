#include "train/checkpoint.h"

#include "core/error.h"
#include "core/file.h"
#include "tests/catch.h"
#include "tests/scratch.h"
#include "tests/train/file_size_limit.h"

using namespace weft;
using namespace weft::train;
using weft::tests::FileSizeLimit;
namespace fs = std::filesystem;

namespace {

Checkpoint example(std::int64_t step) {
  const double value = static_cast<double>(step);
  return {.step = step,
          .model = {{"weight", full({2, 3}, value)}, {"bias", full({2}, -value)}},
          .optimizer = {{"momentum.0", full({8}, value + 0.5)}},
          .state = message("{\"step\": ", step, "}\n")};
}

std::vector<std::string> entries(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

void damage(const fs::path& file) {
  std::string text = read_text_file(file.string());
  text[text.size() / 2] ^= 1;
  write_file(file.string(), text);
}

}  // namespace

TEST_CASE("a checkpoint comes back as it was written") {
  const tests::Scratch folder;
  CHECK_FALSE(newest_checkpoint(folder.path()).has_value());
  write_checkpoint(folder.path(), example(5));
  write_checkpoint(folder.path(), example(12));
  CHECK(entries(folder.path()) == std::vector<std::string>{"checkpoint-12", "checkpoint-5"});
  const Checkpoint found = *newest_checkpoint(folder.path());
  CHECK(found.step == 12);
  CHECK(found.model[0].name == "weight");
  CHECK(found.model[0].tensor.to_vector() == std::vector<double>(6, 12));
  CHECK(found.optimizer[0].tensor.to_vector() == std::vector<double>(8, 12.5));
  CHECK(found.state == "{\"step\": 12}\n");
}

TEST_CASE("a checkpoint of the same step is replaced") {
  const tests::Scratch folder;
  write_checkpoint(folder.path(), example(5));
  Checkpoint second = example(5);
  second.state = "{\"step\": 5, \"second\": true}\n";
  write_checkpoint(folder.path(), second);
  CHECK(newest_checkpoint(folder.path())->state == second.state);
  CHECK(entries(folder.path()) == std::vector<std::string>{"checkpoint-5"});
}

TEST_CASE("a damaged checkpoint gives way to the one before") {
  const tests::Scratch folder;
  write_checkpoint(folder.path(), example(5));
  write_checkpoint(folder.path(), example(12));
  const fs::path newest = checkpoint_directory(folder.path(), 12);
  const auto breakage = GENERATE(0, 1, 2, 3, 4, 5);
  if (breakage == 0) damage(newest / kCheckpointModel);
  if (breakage == 1) damage(newest / kCheckpointOptimizer);
  if (breakage == 2) damage(newest / kCheckpointState);
  if (breakage == 3) damage(newest / kCheckpointChecksums);
  if (breakage == 4) fs::remove(newest / kCheckpointOptimizer);
  if (breakage == 5) fs::resize_file(newest / kCheckpointModel, 20);
  CHECK(newest_checkpoint(folder.path())->step == 5);

  fs::remove(checkpoint_directory(folder.path(), 5) / kCheckpointChecksums);
  CHECK_THROWS_WITH(newest_checkpoint(folder.path()), contains("all 2 checkpoints are damaged"));
}

TEST_CASE("a checkpoint that does not fit on the disk leaves the one before and nothing half-written") {
  const tests::Scratch folder;
  write_checkpoint(folder.path(), example(5));
  Checkpoint large = example(12);
  large.model.push_back({"large", zeros({100000})});
  {
    const FileSizeLimit full(4096);
    CHECK_THROWS_AS(write_checkpoint(folder.path(), large), Error);
  }
  CHECK(entries(folder.path()) == std::vector<std::string>{"checkpoint-5"});
  CHECK(newest_checkpoint(folder.path())->step == 5);
  write_checkpoint(folder.path(), large);
  CHECK(newest_checkpoint(folder.path())->step == 12);
}

TEST_CASE("only the newest checkpoints are kept") {
  const tests::Scratch folder;
  for (const std::int64_t step : {3, 20, 100, 9}) write_checkpoint(folder.path(), example(step));
  fs::create_directory(folder / "checkpoint-abc");
  prune_checkpoints(folder.path(), 2);
  CHECK(checkpoint_steps(folder.path()) == std::vector<std::int64_t>{100, 20});
  CHECK(entries(folder.path()) == std::vector<std::string>{"checkpoint-100", "checkpoint-20", "checkpoint-abc"});
}
