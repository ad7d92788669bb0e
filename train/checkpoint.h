// Checkpoints: directories checkpoint-<step>/ in a run folder with the model, the optimizer's tensors, a small JSON of
// everything else, and a checksum of each. One appears under its name only when it is whole and on the disk; one that
// does not match its checksums is passed over, loudly, for the one before.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/named_tensor.h"

namespace weft::train {

struct Checkpoint {
  std::int64_t step = 0;
  NamedTensors model, optimizer;
  std::string state;  // JSON
};

inline constexpr const char* kCheckpointModel = "model.safetensors";
inline constexpr const char* kCheckpointOptimizer = "optimizer.safetensors";
inline constexpr const char* kCheckpointState = "state.json";
inline constexpr const char* kCheckpointChecksums = "checksums.xxh128";  // as xxh128sum writes and checks

// Writes folder/checkpoint-<step>/, replacing one of that step. Throws Error(internal), with the folder as before, when
// it cannot be written.
WEFT_API void write_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint);
// The newest checkpoint that is whole, or none when there is no checkpoint at all; warns of each broken one. Throws
// Error(data) when there are only broken ones.
WEFT_API std::optional<Checkpoint> newest_checkpoint(const std::filesystem::path& folder);
// Reads one checkpoint directory; throws Error(data) saying what is broken.
WEFT_API Checkpoint read_checkpoint(const std::filesystem::path& directory);
// Deletes all but the newest `keep`.
WEFT_API void prune_checkpoints(const std::filesystem::path& folder, std::int64_t keep);
// Steps that have a checkpoint directory, newest first.
WEFT_API std::vector<std::int64_t> checkpoint_steps(const std::filesystem::path& folder);
WEFT_API std::filesystem::path checkpoint_directory(const std::filesystem::path& folder, std::int64_t step);

// The text of a checksum file over these files of a directory.
WEFT_API std::string checksums_of(const std::filesystem::path& directory);

}  // namespace weft::train
