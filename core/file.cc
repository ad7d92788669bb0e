#include "core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/error.h"

namespace weft {
namespace {

constexpr std::size_t kLargestCall = std::size_t{1} << 30;  // Linux moves at most 2 GiB per call

std::string system_text(int code) { return std::strerror(code); }

std::string directory_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

}  // namespace

ByteSource::ByteSource(const std::string& path) : name_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  require_data(descriptor_ >= 0, name_, "cannot open: ", system_text(errno));
  struct stat status {};
  const bool regular = ::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
  if (!regular) {
    ::close(descriptor_);
    fail(ErrorKind::data, name_, "expected a regular file, found ",
         S_ISDIR(status.st_mode) ? "a directory" : "something else");
  }
  bytes_ = static_cast<std::uint64_t>(status.st_size);
}

ByteSource::ByteSource(std::span<const std::byte> memory, std::string name)
    : name_(std::move(name)), bytes_(memory.size()), memory_(memory.data()) {}

ByteSource::ByteSource(ByteSource&& other) noexcept
    : name_(std::move(other.name_)),
      bytes_(other.bytes_),
      memory_(other.memory_),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

ByteSource::~ByteSource() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void ByteSource::read(std::uint64_t offset, std::span<std::byte> to) const {
  const std::uint64_t available = bytes_ - std::min(offset, bytes_);
  require_data(to.size() <= available, name_, "offset ", offset, ": expected ", to.size(),
               " bytes, the file ends after ", available);
  if (descriptor_ < 0) {
    if (!to.empty()) std::memcpy(to.data(), memory_ + offset, to.size());
    return;
  }
  while (!to.empty()) {
    const std::size_t wanted = std::min(to.size(), kLargestCall);
    const ::ssize_t got = ::pread(descriptor_, to.data(), wanted, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    require_data(got >= 0, name_, "offset ", offset, ": cannot read: ", system_text(errno));
    require_data(got > 0, name_, "offset ", offset, ": expected ", to.size(), " more bytes, the file has shrunk");
    to = to.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
}

std::vector<std::byte> ByteSource::read_all() const {
  std::vector<std::byte> all(bytes_);
  read(0, all);
  return all;
}

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)), temporary_(path_ + ".tmp-" + std::to_string(::getpid())) {
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) give_up("create");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ::ssize_t put = ::write(descriptor_, bytes.data(), std::min(bytes.size(), kLargestCall));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) give_up("write");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    bytes_ += static_cast<std::uint64_t>(put);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) give_up("sync");
  if (::close(std::exchange(descriptor_, -1)) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    give_up("rename");
  }
  sync_directory(directory_of(path_));
}

void AtomicFile::give_up(const char* doing) {
  const int code = errno;
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  ::unlink(temporary_.c_str());
  fail(ErrorKind::internal, path_, "cannot ", doing, " after ", bytes_, " bytes: ", system_text(code));
}

void write_file(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

std::string read_text_file(const std::string& path) {
  const ByteSource source(path);
  std::string text(source.bytes(), '\0');
  source.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

void sync_directory(const std::string& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && (::fsync(descriptor) == 0 || errno == EINVAL);
  const int code = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!synced) fail(ErrorKind::internal, directory, "cannot sync the directory: ", system_text(code));
}

}  // namespace weft
