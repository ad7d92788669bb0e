#include "train/growing_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/log.h"

namespace weft::train {
namespace {

[[noreturn]] void fail_with_errno(const std::filesystem::path& path, std::string_view what) {
  const int code = errno;
  fail(ErrorKind::internal, path.string(), "cannot ", what, ": ", std::strerror(code));
}

// Writes all of the text at the offset, or returns false with errno set.
bool write_all(int descriptor, std::string_view text, std::uint64_t offset) {
  while (!text.empty()) {
    const ssize_t written = ::pwrite(descriptor, text.data(), text.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return true;
}

}  // namespace

GrowingFile::GrowingFile(std::filesystem::path path, std::uint64_t bytes) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail_with_errno(path_, "open");
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) fail_with_errno(path_, "read the size");
  bytes_ = std::min(bytes, static_cast<std::uint64_t>(status.st_size));
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes_)) != 0) fail_with_errno(path_, "cut");
}

GrowingFile::~GrowingFile() { ::close(descriptor_); }

bool GrowingFile::append(std::string_view record) {
  waiting_ += record;
  if (waiting_.empty()) return true;
  if (write_all(descriptor_, waiting_, bytes_)) {
    bytes_ += waiting_.size();
    waiting_.clear();
    warned_ = false;
    return true;
  }
  const int code = errno;
  // Half a record must not stay; should the cut fail too, the next success overwrites it.
  [[maybe_unused]] const int cut = ::ftruncate(descriptor_, static_cast<off_t>(bytes_));
  if (!std::exchange(warned_, true))
    warn(path_.string(), ": cannot write: ", std::strerror(code), "; tried again with the next record");
  return false;
}

void GrowingFile::sync() const {
  if (::fsync(descriptor_) != 0 && errno != EINVAL) fail_with_errno(path_, "sync");
}

}  // namespace weft::train
