#include "core/file.h"

#include <sys/resource.h>

#include <csignal>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/scratch.h"

namespace weft {
namespace {

using tests::Scratch;

// While one of these lives, files cannot grow beyond `bytes`: writes then fail as on a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_ = {};
  void (*handler_)(int) = nullptr;
};

std::size_t files_in(const std::string& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

}  // namespace

TEST_CASE("a file appears whole at commit and not before") {
  const Scratch scratch;
  const std::string path = scratch / "a";
  write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("new");
    CHECK(file.bytes() == 3);
    CHECK(read_text_file(path) == "old");
    CHECK(read_text_file(file.temporary()) == "new");
    file.commit();
  }
  CHECK(read_text_file(path) == "new");
  CHECK(files_in(scratch.path()) == 1);
}

TEST_CASE("a file that is given up leaves the old one and no trace") {
  const Scratch scratch;
  const std::string path = scratch / "a";
  write_file(path, "old");
  { AtomicFile(path).write("half"); }
  CHECK(read_text_file(path) == "old");
  CHECK(files_in(scratch.path()) == 1);
}

TEST_CASE("a full disk leaves the old file and no temporary one") {
  const Scratch scratch;
  const std::string path = scratch / "a";
  write_file(path, "old");
  {
    const FullDisk full(1000);
    CHECK_THROWS_WITH(write_file(path, std::string(5000, 'x')),
                      path + ": cannot write after 1000 bytes: File too large");
  }
  CHECK(read_text_file(path) == "old");
  CHECK(files_in(scratch.path()) == 1);
}

TEST_CASE("files that cannot be made or read say why") {
  const Scratch scratch;
  const std::string path = scratch / "no folder/a";
  CHECK_THROWS_WITH(write_file(path, ""), path + ": cannot create after 0 bytes: No such file or directory");
  CHECK_THROWS_WITH(ByteSource(path), path + ": cannot open: No such file or directory");
  write_file(scratch / "b", "12345");
  const ByteSource source(scratch / "b");
  std::byte bytes[4];
  source.read(1, bytes);
  CHECK(bytes[3] == std::byte{'5'});
  CHECK_THROWS_WITH(source.read(3, bytes), scratch / "b" + ": offset 3: expected 4 bytes, the file ends after 2");
  CHECK_THROWS_WITH(source.read(99, bytes), scratch / "b" + ": offset 99: expected 4 bytes, the file ends after 0");
  std::filesystem::resize_file(scratch / "b", 2);
  CHECK_THROWS_WITH(source.read(1, bytes), scratch / "b" + ": offset 2: expected 3 more bytes, the file has shrunk");
}

}  // namespace weft
