// Finding NVIDIA's libraries: places, their order, and the words when there is none.
#include "kernels/nvidia/library.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/file.h"
#include "tests/catch.h"
#include "tests/scratch.h"
#include "tests/variable.h"

using namespace weft;
using namespace weft::nvidia;
using tests::Scratch;
using tests::Variable;

namespace {

// A real library that every machine has, copied under another name into a folder.
std::string place_library(const std::string& folder, const std::string& name) {
  for (const char* system : {"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib",
                             "/lib/aarch64-linux-gnu"})
    if (std::filesystem::exists(std::string(system) + "/libz.so.1")) {
      std::filesystem::create_directories(folder);
      std::filesystem::copy_file(std::string(system) + "/libz.so.1", folder + "/" + name);
      return folder + "/" + name;
    }
  FAIL("this machine has no libz.so.1");
  return {};
}

}  // namespace

TEST_CASE("a library on the loader's path is opened, and its functions have their types") {
  const Library zlib("zlib", {"libnothing.so.9", "libz.so.1"}, {.python = false});
  REQUIRE(zlib.found());
  CHECK(zlib.path() == "libz.so.1");
  CHECK(zlib.refusal() == "");
  CHECK(zlib.function<unsigned long()>("zlibCompileFlags")() != 0);
  CHECK_THROWS_WITH(zlib.function<void()>("cudnnCreate"),
                    "zlib: libz.so.1 has no function cudnnCreate; install a newer version");
}

TEST_CASE("folders the user names come before the loader's path, the toolkit and Python's packages after it") {
  const Scratch scratch;
  const std::string mine = place_library(scratch / "mine", "libz.so.1");
  const std::string toolkit = place_library(scratch / "toolkit", "libweft_z.so.1");
  const LibraryPlaces places{
      .first = {scratch / "none", scratch / "mine"}, .then = {scratch / "toolkit"}, .python = false};
  CHECK(Library("zlib", {"libz.so.1"}, places).path() == mine);
  CHECK(Library("zlib", {"libweft_z.so.1"}, places).path() == toolkit);

  const std::string package = place_library(scratch / "site/nvidia/zlib/lib", "libweft_p.so.1");
  std::filesystem::create_directories(scratch / "bin");
  std::ofstream(scratch / "bin/python3") << "#!/bin/sh\necho " << scratch / "site/nvidia/zlib/lib"
                                         << "\n";
  ::chmod((scratch / "bin/python3").c_str(), 0755);
  const Variable path("PATH", (scratch / "bin").c_str());
  CHECK(Library("zlib", {"libweft_p.so.1"}, {}).path() == package);
}

TEST_CASE("places are read from the environment") {
  const Scratch scratch;
  std::filesystem::create_directories(scratch / "cuda/lib64");
  const Variable home("CUDA_HOME", (scratch / "cuda").c_str());
  const Variable libs("WEFT_CUDA_LIBS", "/a:/b/c");
  const LibraryPlaces places = library_places();
  CHECK(places.first == std::vector<std::string>{"/a", "/b/c"});
  REQUIRE(!places.then.empty());
  CHECK(places.then[0] == scratch / "cuda/lib64");
}

TEST_CASE("a missing library says what was looked for where, and what is wrong with a file that is there") {
  const Scratch scratch;
  std::ofstream(scratch / "libfake.so.9") << "no library";
  const Library fake("cuFake", {"libfake.so.9"}, {.first = {scratch.path()}, .then = {"/t/lib64"}, .python = false});
  CHECK(!fake.found());
  CHECK_THAT(fake.refusal(), contains("cuFake is missing: no libfake.so.9 on the loader's path, in the toolkit "
                                      "(/t/lib64), in WEFT_CUDA_LIBS (" +
                                      scratch.path() + ")"));
  CHECK_THAT(fake.missing(), contains(scratch / "libfake.so.9"));
  CHECK_THROWS_WITH(fake.function<void()>("f"), contains("cuFake is missing"));
}

TEST_CASE("a library that is there but needs one that is not names both") {
  const Scratch scratch;
  const std::string file = place_library(scratch.path(), "libneedy.so.1");
  std::string bytes = read_text_file(file);
  const auto need = bytes.find(std::string_view("\0libc.so.6\0", 11));
  REQUIRE(need != bytes.npos);
  bytes.replace(need + 1, 9, "libq.so.7");
  write_file(file, bytes);
  const Library needy("needy", {"libneedy.so.1"}, {.first = {scratch.path()}, .python = false});
  CHECK(!needy.found());
  CHECK_THAT(needy.missing(), contains(file + " needs libq.so.7: cannot open shared object file"));
}
