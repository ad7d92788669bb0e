#include "train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace weft::train {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLockFile = ".lock";
constexpr std::string_view kTemporaryMark = ".tmp-";  // files and checkpoints not yet under their name
constexpr std::string_view kEventPrefix = "events.out.tfevents.";

bool belongs_to_run(const std::string& name) {
  for (const char* file : {kConfigFile, kMetricsFile, kLastWeights, kBestWeights})
    if (name == file) return true;
  return name.starts_with(kCheckpointPrefix) || name.starts_with(kEventPrefix);
}

template <typename Wanted>
void remove_entries(const fs::path& folder, const Wanted& wanted) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (wanted(entry.path().filename().string())) found.push_back(entry.path());
  for (const fs::path& path : found) fs::remove_all(path);
}

}  // namespace

bool holds_run(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (belongs_to_run(entry.path().filename().string())) return true;
  return false;
}

RunFolder::RunFolder(fs::path path, OnExistingRun on_existing) : path_(std::move(path)) {
  std::error_code error;
  fs::create_directories(path_, error);
  if (error || !fs::is_directory(path_))
    fail(ErrorKind::usage, "--output", "cannot make the folder ", path_.string(), ": ",
         error ? error.message() : "a file is in the way");
  lock();
  try {
    if (on_existing == OnExistingRun::refuse && holds_run(path_))
      fail(ErrorKind::usage, "--output", path_.string(),
           " holds a run already; give --resume to go on with it, --overwrite to replace it, or another folder");
    if (on_existing == OnExistingRun::overwrite) remove_run();
    clear_temporaries();
  } catch (...) {
    ::close(lock_);
    throw;
  }
}

RunFolder::~RunFolder() { ::close(lock_); }

void RunFolder::lock() {
  const fs::path file = path_ / kLockFile;
  lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0) fail(ErrorKind::usage, "--output", "cannot write to ", path_.string(), ": ", std::strerror(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    char holder[32] = {};
    const bool known = ::pread(lock_, holder, sizeof holder - 1, 0) > 0;
    ::close(lock_);
    if (code != EWOULDBLOCK) fail(ErrorKind::internal, file.string(), "cannot lock: ", std::strerror(code));
    fail(ErrorKind::usage, "--output", path_.string(), " is in use by another process",
         known ? message(" (", holder, ")") : "", "; wait for it or give another folder");
  }
  // The number only serves the message above; the lock is the kernel's and goes with the process.
  const std::string holder = std::to_string(::getpid());
  [[maybe_unused]] const int cut = ::ftruncate(lock_, 0);
  [[maybe_unused]] const ssize_t written = ::pwrite(lock_, holder.data(), holder.size(), 0);
}

void RunFolder::clear_temporaries() const {
  remove_entries(path_, [](const std::string& name) { return name.find(kTemporaryMark) != name.npos; });
}

void RunFolder::remove_run() const { remove_entries(path_, belongs_to_run); }

}  // namespace weft::train
