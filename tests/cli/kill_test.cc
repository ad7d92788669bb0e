// Exact resume of the program: killed at random moments and resumed, a run ends in the same bits.
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include "core/file.h"
#include "tests/catch.h"
#include "tests/cli/program.h"
#include "tests/scratch.h"
#include "tests/train/run_outcome.h"
#include "train/checkpoint.h"

using namespace weft;
using namespace weft::tests;
using Clock = std::chrono::steady_clock;

namespace {

// Everything that has state: dropout, Adam, plateau, a short last batch, checkpoints within epochs.
std::vector<std::string> run_arguments(const std::filesystem::path& output, int threads) {
  return {"train",
          "--model",
          "mlp",
          "--hidden",
          "24,16",
          "--drop",
          "0.3,0.1",
          "--data",
          "shapes",
          "--samples",
          "830",
          "--batch-size",
          "40",
          "--opt",
          "adam",
          "--lr",
          "0.01",
          "--sched",
          "plateau",
          "--patience-epochs",
          "0",
          "--epochs",
          "4",
          "--seed",
          "5",
          "--checkpoint-every",
          "5",
          "--log-interval",
          "4",
          "--output",
          output.string(),
          "--threads",
          std::to_string(threads)};
}

std::vector<std::string> with(std::vector<std::string> arguments, const std::string& flag) {
  arguments.push_back(flag);
  return arguments;
}

// Starts and kills the run until it ends by itself; returns how often it was killed.
int run_with_kills(const std::vector<std::string>& arguments, double longest_s, std::mt19937& random) {
  constexpr int kMostKills = 12;
  for (int kills = 0;; ++kills) {
    Program program(with(arguments, "--resume"));
    const double wait_s = std::uniform_real_distribution(0.0, longest_s)(random);
    const auto end = Clock::now() + std::chrono::duration<double>(wait_s);
    while (program.running() && (kills >= kMostKills || Clock::now() < end))
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    if (!program.running()) {
      const Finished finished = program.wait();
      INFO(finished.err);
      REQUIRE(finished.code == 0);
      return kills;
    }
    program.send(SIGKILL);
  }
}

}  // namespace

TEST_CASE("a run killed at random moments ends in the bits of one that was not, at 1 and 2 threads") {
  const tests::Scratch folder;
  const auto begin = Clock::now();
  const Finished reference = run_weft(run_arguments(folder / "reference", 2));
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  INFO(reference.err);
  REQUIRE(reference.code == 0);
  const RunOutcome expected = read_outcome(folder / "reference");
  CHECK(expected.rows.size() == 1 + 4);

  const unsigned seed = std::random_device()();
  INFO("seed of the moments: " << seed);
  std::mt19937 random(seed);
  for (const int threads : {1, 2}) {
    const std::filesystem::path output = folder / ("killed-" + std::to_string(threads));
    const int kills = run_with_kills(run_arguments(output, threads), seconds, random);
    INFO(threads << " threads, " << kills << " kills");
    CHECK(read_outcome(output) == expected);
  }
}

TEST_CASE("running statistics resume to the same bits") {
  const tests::Scratch folder;
  const auto arguments = [&](const char* output) {
    return std::vector<std::string>{"train",     "--model", "bn_lenet",     "--data",   "shapes",
                                    "--samples", "60",      "--batch-size", "8",        "--epochs",
                                    "2",         "--lr",    "0.1",          "--output", folder / output};
  };
  REQUIRE(run_weft(arguments("whole")).code == 0);
  std::vector<std::string> cut = arguments("cut");
  cut.insert(cut.end(), {"--steps", "5"});
  REQUIRE(run_weft(cut).code == 0);
  CHECK(read_outcome(folder / "cut").last != read_outcome(folder / "whole").last);
  cut.back() = "16";
  REQUIRE(run_weft(with(cut, "--resume")).code == 0);
  CHECK(read_outcome(folder / "cut") == read_outcome(folder / "whole"));
}

TEST_CASE("a kill while a checkpoint is written leaves a folder to resume from") {
  const tests::Scratch folder;
  std::vector<std::string> arguments = run_arguments(folder / "reference", 2);
  REQUIRE(run_weft(arguments).code == 0);

  const std::filesystem::path output = folder / "killed";
  arguments = run_arguments(output, 2);
  std::replace(arguments.begin(), arguments.end(), std::string("5"), std::string("1"));  // --checkpoint-every
  arguments[std::find(arguments.begin(), arguments.end(), "--seed") - arguments.begin() + 1] = "5";
  int caught_writing = 0;
  for (int kills = 0; kills < 6; ++kills) {
    Program program(with(arguments, "--resume"));
    // The temporary directory exists only while a checkpoint is being written.
    bool writing = false;
    while (program.running() && !writing) {
      std::error_code error;
      for (const auto& entry : std::filesystem::directory_iterator(output, error))
        writing = writing || entry.path().filename().string().find(".tmp-") != std::string::npos;
    }
    program.send(SIGKILL);
    caught_writing += writing;
  }
  CHECK(caught_writing > 0);
  REQUIRE(run_weft(with(arguments, "--resume")).code == 0);
  CHECK(read_outcome(output) == read_outcome(folder / "reference"));
}

TEST_CASE("SIGTERM and SIGINT finish the step, write a checkpoint and exit 75") {
  const tests::Scratch folder;
  const int signal = GENERATE(SIGTERM, SIGINT);
  const std::filesystem::path output = folder / "run";
  std::vector<std::string> arguments = run_arguments(output, 1);
  REQUIRE(run_weft(run_arguments(folder / "reference", 1)).code == 0);
  {
    Program program(arguments);
    while (program.running() && program.output_so_far().find("step ") == std::string::npos)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    program.send(signal);
    const Finished finished = program.wait();
    CHECK(finished.code == 75);
    CHECK_THAT(finished.out, contains("stopped by a signal"));
  }
  CHECK_FALSE(train::checkpoint_steps(output).empty());
  const Finished resumed = run_weft(with(arguments, "--resume"));
  CHECK(resumed.code == 0);
  CHECK_THAT(resumed.out, contains("going on from"));
  CHECK(read_outcome(output) == read_outcome(folder / "reference"));
}

TEST_CASE("without a run folder a signal ends the run with the signal's code") {
  for (const auto& [signal, code] : {std::pair{SIGTERM, 143}, std::pair{SIGINT, 130}}) {
    Program program({"train", "--model", "mlp", "--data", "shapes", "--samples", "500", "--batch-size", "10",
                     "--epochs", "100000", "--log-interval", "1"});
    while (program.running() && program.output_so_far().find("step ") == std::string::npos)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    program.send(signal);
    CHECK(program.wait().code == code);
  }
}

TEST_CASE("a second SIGINT ends the program at once, in the middle of a step") {
  const tests::Scratch folder;
  // A step takes a hundred times as long as the way of two signals, and its checkpoint would take longer still.
  Program program({"train", "--model", "mlp", "--hidden", "1000,1000", "--data", "synthetic", "--samples", "2000",
                   "--batch-size", "250", "--epochs", "1000", "--log-interval", "1", "--output", folder / "run"});
  while (program.running() && program.output_so_far().find("step ") == std::string::npos)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  program.deliver(SIGINT);
  program.send(SIGINT);
  CHECK(program.wait().code == 130);
  CHECK(train::checkpoint_steps(folder / "run").empty());
}
