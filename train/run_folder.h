// RunFolder: the directory of one run, held by one process at a time. It refuses a folder that another process uses,
// and one that holds a run unless the caller resumes or overwrites it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/export.h"

namespace weft::train {

enum class OnExistingRun { refuse, resume, overwrite };

class WEFT_API RunFolder {
 public:
  // Makes the folder, takes its lock, and clears temporary files that a killed run left. Throws Error(usage) when the
  // folder is taken or holds a run that may not be touched.
  RunFolder(std::filesystem::path path, OnExistingRun on_existing);
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;
  ~RunFolder();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(std::string_view name) const { return path_ / name; }

 private:
  void lock();
  void clear_temporaries() const;
  void remove_run() const;

  std::filesystem::path path_;
  int lock_ = -1;
};

// Whether the folder holds files of a run.
WEFT_API bool holds_run(const std::filesystem::path& folder);

inline constexpr const char* kConfigFile = "config.toml";
inline constexpr const char* kMetricsFile = "metrics.csv";
inline constexpr const char* kLastWeights = "last.safetensors";
inline constexpr const char* kBestWeights = "best.safetensors";
inline constexpr std::string_view kCheckpointPrefix = "checkpoint-";

}  // namespace weft::train
