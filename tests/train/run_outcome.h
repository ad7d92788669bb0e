// What a run left behind, for comparing two runs: everything but times and memory.
#pragma once

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "core/file.h"
#include "train/metrics.h"
#include "train/run_folder.h"

namespace weft::tests {

struct RunOutcome {
  std::string last, best;         // bytes of the weights
  std::vector<std::string> rows;  // of metrics.csv, its columns up to lr; with the header
  friend bool operator==(const RunOutcome&, const RunOutcome&) = default;
};

inline RunOutcome read_outcome(const std::filesystem::path& folder) {
  constexpr int kComparedColumns = 7;  // epoch … lr; times and memory follow
  RunOutcome outcome{.last = read_text_file((folder / train::kLastWeights).string()),
                     .best = read_text_file((folder / train::kBestWeights).string()),
                     .rows = {}};
  std::istringstream lines(read_text_file((folder / train::kMetricsFile).string()));
  for (std::string line; std::getline(lines, line);) {
    std::size_t end = 0;
    for (int column = 0; column < kComparedColumns; ++column) end = line.find(',', end) + 1;
    outcome.rows.push_back(line.substr(0, end));
  }
  return outcome;
}

}  // namespace weft::tests
