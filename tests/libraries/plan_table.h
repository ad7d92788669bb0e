// Tables of what cuDNN plans for described GPUs: how a plan is written, and how a table is compared with the file that
// is kept per version of cuDNN. `libraries_tests '[regenerate]'` writes the files anew.
#pragma once

#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "kernels/cudnn/graph.h"
#include "kernels/nvidia/library.h"
#include "tests/catch.h"

namespace weft::cudnn {

constexpr const char* kGpus[] = {"h200", "a100", "rtx4090"};
using Lines = std::vector<std::string>;

inline bool cudnn_is_here() {
  if (nvidia::cudnn_library().found()) return true;
  WARN(nvidia::cudnn_library().missing());
  return false;
}

// "eng62/0": engine without its knobs, and KiB of workspace; the other text where there is no plan.
inline std::string entry(const Outcome& outcome, const char* otherwise) {
  if (!outcome.plan) return otherwise;
  const std::string& engine = outcome.plan->engine();
  return message(engine.substr(0, engine.find('_')), "/", (outcome.plan->workspace_bytes() + 1023) / 1024);
}

// The lines of each GPU below a line with its name; a thread per GPU.
inline Lines lines_of_gpus(const std::function<Lines(const char* gpu)>& lines_of) {
  Lines parts[std::size(kGpus)], all;
  std::vector<std::thread> workers;
  for (std::size_t i = 0; i < std::size(kGpus); ++i) workers.emplace_back([&, i] { parts[i] = lines_of(kGpus[i]); });
  for (std::thread& worker : workers) worker.join();
  for (std::size_t i = 0; i < std::size(kGpus); ++i) {
    all.push_back(message("[", kGpus[i], "]"));
    all.insert(all.end(), parts[i].begin(), parts[i].end());
  }
  return all;
}

// A table's file and the comment that it begins with.
struct PlanTable {
  std::string name, heading;

  std::string file() const {
    return message("tests/golden/", name, "_", library_version(), "_cuda", library_toolkit(), ".txt");
  }
  void check(const Lines& found) const {
    if (!std::filesystem::exists(file())) {
      WARN("no table for cuDNN " << library_version() << "; only that plans exist was checked");
      return;
    }
    std::istringstream wanted(read_text_file(file()).substr(heading.size()));
    int differences = 0;
    std::string line;
    for (const std::string& have : found) {
      std::getline(wanted, line);
      if (have != line && ++differences <= 10) UNSCOPED_INFO("found  " << have << "\nwanted " << line);
    }
    CHECK(differences == 0);
    CHECK(!std::getline(wanted, line));
  }
  void write(const Lines& lines) const {
    std::string text = heading;
    for (const std::string& line : lines) text += line + "\n";
    write_file(file(), text);
  }
};

}  // namespace weft::cudnn
