#include "train/checkpoint.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/safetensors.h"
#include "train/run_folder.h"

namespace weft::train {
namespace fs = std::filesystem;
namespace {

constexpr const char* kHashedFiles[] = {kCheckpointModel, kCheckpointOptimizer, kCheckpointState};

std::string hash_of(const std::string& path) {
  const ByteSource source(path);
  XXH3_state_t* state = XXH3_createState();
  XXH3_128bits_reset(state);
  std::vector<std::byte> chunk(1 << 20);
  for (std::uint64_t offset = 0; offset < source.bytes(); offset += chunk.size()) {
    const auto part = std::span(chunk).first(std::min<std::uint64_t>(chunk.size(), source.bytes() - offset));
    source.read(offset, part);
    XXH3_128bits_update(state, part.data(), part.size());
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(state);
  XXH3_freeState(state);
  char digits[33];
  std::snprintf(digits, sizeof digits, "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return digits;
}

std::optional<std::int64_t> step_of(const std::string& name) {
  if (!name.starts_with(kCheckpointPrefix)) return {};
  std::int64_t step = 0;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + kCheckpointPrefix.size(), end, step);
  if (error != std::errc{} || stop != end || step < 0) return {};
  return step;
}

void remove_quietly(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

// Puts the finished temporary directory under the final name, whether or not something stands there.
void move_into_place(const fs::path& temporary, const fs::path& target) {
  if (::rename(temporary.c_str(), target.c_str()) == 0) return;
  if (errno == ENOTEMPTY || errno == EEXIST) {
    if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) return;
    // A file system that cannot exchange: for a moment only the older checkpoints stand.
    const fs::path aside = target.string() + ".tmp-old";
    if (::rename(target.c_str(), aside.c_str()) == 0 && ::rename(temporary.c_str(), target.c_str()) == 0) {
      remove_quietly(aside);
      return;
    }
  }
  fail(ErrorKind::internal, target.string(), "cannot move the checkpoint into place: ", std::strerror(errno));
}

}  // namespace

fs::path checkpoint_directory(const fs::path& folder, std::int64_t step) {
  return folder / message(kCheckpointPrefix, step);
}

std::vector<std::int64_t> checkpoint_steps(const fs::path& folder) {
  std::vector<std::int64_t> steps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (const auto step = step_of(entry.path().filename().string())) steps.push_back(*step);
  std::ranges::sort(steps, std::greater{});
  return steps;
}

std::string checksums_of(const fs::path& directory) {
  std::string text;
  for (const char* file : kHashedFiles) text += message(hash_of((directory / file).string()), "  ", file, '\n');
  return text;
}

void write_checkpoint(const fs::path& folder, const Checkpoint& checkpoint) {
  const fs::path target = checkpoint_directory(folder, checkpoint.step);
  const fs::path temporary = message(target.string(), ".tmp-", ::getpid());
  remove_quietly(temporary);
  try {
    std::error_code error;
    fs::create_directory(temporary, error);
    if (error) fail(ErrorKind::internal, temporary.string(), "cannot make the directory: ", error.message());
    write_safetensors((temporary / kCheckpointModel).string(), checkpoint.model);
    write_safetensors((temporary / kCheckpointOptimizer).string(), checkpoint.optimizer);
    write_file((temporary / kCheckpointState).string(), checkpoint.state);
    write_file((temporary / kCheckpointChecksums).string(), checksums_of(temporary));
    move_into_place(temporary, target);
  } catch (...) {
    remove_quietly(temporary);
    throw;
  }
  remove_quietly(temporary);  // after an exchange it holds the old one
  sync_directory(folder.string());
}

Checkpoint read_checkpoint(const fs::path& directory) {
  const std::string name = directory.string();
  const std::optional<std::int64_t> step = step_of(directory.filename().string());
  require_data(step.has_value(), name, "not a checkpoint directory");
  const std::string expected = read_text_file((directory / kCheckpointChecksums).string());
  const std::string found = checksums_of(directory);
  require_data(found == expected, name, "the files do not match ", kCheckpointChecksums, "; the checkpoint is damaged");
  return {.step = *step,
          .model = read_safetensors((directory / kCheckpointModel).string()),
          .optimizer = read_safetensors((directory / kCheckpointOptimizer).string()),
          .state = read_text_file((directory / kCheckpointState).string())};
}

std::optional<Checkpoint> newest_checkpoint(const fs::path& folder) {
  const std::vector<std::int64_t> steps = checkpoint_steps(folder);
  for (const std::int64_t step : steps) {
    try {
      return read_checkpoint(checkpoint_directory(folder, step));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::data) throw;
      warn(error.what(), "; trying the one before");
    }
  }
  if (!steps.empty()) fail(ErrorKind::data, folder.string(), "all ", steps.size(), " checkpoints are damaged");
  return {};
}

void prune_checkpoints(const fs::path& folder, std::int64_t keep) {
  const std::vector<std::int64_t> steps = checkpoint_steps(folder);
  for (std::size_t i = static_cast<std::size_t>(keep); i < steps.size(); ++i) {
    // Renamed first, so that a kill leaves no half-deleted directory under a checkpoint's name.
    const fs::path directory = checkpoint_directory(folder, steps[i]);
    const fs::path doomed = directory.string() + ".tmp-pruned";
    std::error_code error;
    fs::rename(directory, doomed, error);
    if (!error) remove_quietly(doomed);
  }
}

}  // namespace weft::train
