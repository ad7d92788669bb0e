// Plans by convolution: in memory for the process, and in files for the next one. A file that is torn, foreign or made
// for another GPU, driver or library is passed over with a warning; it never decides more than time.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/cudnn/graph.h"

namespace weft::cudnn {

// A plan as it lies in a file: lines of text, then the bytes cuDNN gave, all under one hash.
struct PlanFile {
  std::string key;     // the convolution's text and the GPU's identity
  std::string engine;  // as cuDNN names it
  std::vector<std::uint8_t> bytes;
};
std::string encode(const PlanFile& plan);
// Throws Error(data) that says what is wrong with the bytes. `where` names the file.
PlanFile decode(std::string_view text, const std::string& where);

// The text that names a plan, and the name of the file it is kept in.
std::string plan_key(const Convolution& convolution, const std::string& identity);
std::string plan_file_name(const std::string& key);

// $XDG_CACHE_HOME/weft/cudnn-plans, or ~/.cache/weft/cudnn-plans; empty without a home.
std::string plan_folder();

// One per GPU; may be asked from several threads.
class PlanCache {
 public:
  // folder: where plans are kept between runs; empty: nowhere.
  PlanCache(std::string identity, std::string folder);

  // Builds or restores the plan when it is first asked for; remembers refusals too, for the process.
  Outcome find(const Convolution& convolution, const Gpu& gpu);
  int built() const { return built_; }        // by cuDNN's heuristics
  int restored() const { return restored_; }  // from files

 private:
  Outcome make(const Convolution& convolution, const Gpu& gpu);
  Outcome restore(const std::string& key, const Gpu& gpu);
  void keep(const std::string& key, const Plan& plan);

  const std::string identity_;
  std::string folder_;
  std::mutex mutex_;
  std::unordered_map<Convolution, Outcome, ConvolutionHash> plans_;
  int built_ = 0, restored_ = 0;
};

}  // namespace weft::cudnn
