#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "tests/catch.h"
#include "tests/scratch.h"
#include "tests/train/file_size_limit.h"
#include "train/growing_file.h"
#include "train/metrics.h"
#include "train/run_folder.h"

using namespace weft;
using namespace weft::train;
using weft::tests::FileSizeLimit;

TEST_CASE("a growing file is cut to what is asked and goes on from there") {
  const tests::Scratch folder;
  const std::filesystem::path path = folder / "rows";
  {
    GrowingFile file(path, 0);
    CHECK(file.append("one\n"));
    CHECK(file.append("two\n"));
    CHECK(file.bytes() == 8);
  }
  {
    GrowingFile file(path, 4);
    CHECK(file.append("three\n"));
  }
  CHECK(read_text_file(path.string()) == "one\nthree\n");
  CHECK(GrowingFile(path, 1000).bytes() == 10);
}

TEST_CASE("a record that does not fit is left out whole and written with the next that does") {
  const tests::Scratch folder;
  const std::filesystem::path path = folder / "rows";
  GrowingFile file(path, 0);
  file.append("one\n");
  {
    const FileSizeLimit full(6);
    CHECK_FALSE(file.append("two\n"));
    CHECK(read_text_file(path.string()) == "one\n");
    CHECK_FALSE(file.flush());
  }
  CHECK(file.append("three\n"));
  CHECK(read_text_file(path.string()) == "one\ntwo\nthree\n");
}

TEST_CASE("a run folder is held by one process, or one holder within a process") {
  const tests::Scratch folder;
  const std::filesystem::path path = folder / "run";
  {
    const RunFolder held(path, OnExistingRun::refuse);
    CHECK_THROWS_WITH(RunFolder(path, OnExistingRun::resume), contains("in use by another process"));
    CHECK_THROWS_WITH(RunFolder(path, OnExistingRun::overwrite), contains(std::to_string(::getpid())));
  }
  CHECK_NOTHROW(RunFolder(path, OnExistingRun::refuse));
}

TEST_CASE("a folder with a run is refused, resumed or emptied; other files stay") {
  const tests::Scratch folder;
  write_file(folder / "metrics.csv", "");
  write_file(folder / "notes.txt", "mine");
  write_file(folder / "last.safetensors.tmp-123", "half");
  std::filesystem::create_directories(folder / "checkpoint-7.tmp-9");
  CHECK_THROWS_WITH(RunFolder(folder.path(), OnExistingRun::refuse), contains("--resume") && contains("--overwrite"));
  CHECK(std::filesystem::exists(folder / "last.safetensors.tmp-123"));
  { const RunFolder resumed(folder.path(), OnExistingRun::resume); }
  CHECK(std::filesystem::exists(folder / "metrics.csv"));
  CHECK_FALSE(std::filesystem::exists(folder / "last.safetensors.tmp-123"));
  CHECK_FALSE(std::filesystem::exists(folder / "checkpoint-7.tmp-9"));
  { const RunFolder emptied(folder.path(), OnExistingRun::overwrite); }
  CHECK_FALSE(std::filesystem::exists(folder / "metrics.csv"));
  CHECK(std::filesystem::exists(folder / "notes.txt"));
}

TEST_CASE("a folder that cannot be made is a mistake of the caller") {
  const tests::Scratch folder;
  write_file(folder / "file", "");
  CHECK_THROWS_WITH(RunFolder(folder / "file", OnExistingRun::refuse), contains("--output"));
  CHECK_THROWS_WITH(RunFolder(folder / "file/below", OnExistingRun::refuse), contains("--output"));
}

TEST_CASE("a metrics row has the columns of its header and exact numbers") {
  const MetricsRow row{.epoch = 2,
                       .step = 470,
                       .train_loss = 0.1 + 0.2,
                       .train_top1 = 0.25,
                       .val_loss = 1,
                       .lr = 0.9,
                       .samples_per_s = 1234.56,
                       .data_wait_pct = 2.04,
                       .peak_gib = 0.123456,
                       .elapsed_s = 9.87654};
  CHECK(to_csv(row) == "2,470,0.30000000000000004,0.25,1,,0.9,1234.6,2.0,0.1235,9.877\n");
  const std::string header = kMetricsHeader, line = to_csv(row);
  CHECK(std::count(header.begin(), header.end(), ',') == std::count(line.begin(), line.end(), ','));
}
