#include "kernels/nvidia/library.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "core/error.h"
#include "core/log.h"

namespace weft::nvidia {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> split(const char* list) {
  std::vector<std::string> out;
  for (std::string_view rest = list ? list : ""; !rest.empty();) {
    const auto colon = rest.find(':');
    if (colon != 0) out.emplace_back(rest.substr(0, colon));
    rest = colon == rest.npos ? std::string_view{} : rest.substr(colon + 1);
  }
  return out;
}

// The folders of installed packages are known to the Python itself: environments, user folders, distributions differ.
std::vector<std::string> python_folders() {
  const char* command =
      "python3 -c 'import glob, sys\n"
      "for p in sys.path:\n"
      "  for d in sorted(glob.glob(p + \"/nvidia/*/lib\")): print(d)' 2>/dev/null";
  std::vector<std::string> out;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command, "r"), ::pclose);
  char line[4096];
  while (pipe && std::fgets(line, sizeof line, pipe.get())) {
    std::string folder = line;
    while (!folder.empty() && folder.back() == '\n') folder.pop_back();
    if (!folder.empty()) out.push_back(std::move(folder));
  }
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

// 91900 as "9.19.0" for cuDNN (major 10000), 130100 as "13.1.0" for cuBLASLt (the same scheme).
std::string version_text(std::size_t version) {
  return message(version / 10000, ".", version / 100 % 100, ".", version % 100);
}

std::string version_of(const Library& library, const char* symbol) {
  if (!library.found()) return "not found";
  return version_text(library.function<std::size_t()>(symbol)());
}

}  // namespace

LibraryPlaces library_places() {
  LibraryPlaces places{.first = split(std::getenv("WEFT_CUDA_LIBS"))};
  std::vector<std::string> roots;
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char* root = std::getenv(variable); root && *root) roots.emplace_back(root);
  roots.emplace_back("/usr/local/cuda");
  for (const std::string& root : roots)
    for (const char* folder : {"/lib64", "/lib", "/targets/x86_64-linux/lib", "/targets/sbsa-linux/lib"}) {
      std::error_code ignored;
      if (fs::is_directory(root + folder, ignored)) places.then.push_back(root + folder);
    }
  return places;
}

Library::Library(std::string name, const std::vector<std::string>& files, const LibraryPlaces& places)
    : name_(std::move(name)) {
  const auto in_folders = [&](const std::vector<std::string>& folders) {
    for (const std::string& folder : folders)
      for (const std::string& file : files) {
        std::error_code ignored;
        if (fs::exists(folder + "/" + file, ignored) && open(folder + "/" + file)) return true;
      }
    return false;
  };
  if (in_folders(places.first)) return;
  if (places.loader)
    for (const std::string& file : files)
      if (open(file)) return;
  if (in_folders(places.then)) return;
  const std::vector<std::string> python = places.python ? python_folders() : std::vector<std::string>{};
  if (in_folders(python)) return;

  missing_ = message(name_, " is missing: no ", joined(files));
  if (places.loader) missing_ += " on the loader's path,";
  missing_ += message(" in the toolkit (", places.then.empty() ? "none found" : joined(places.then),
                      "), in WEFT_CUDA_LIBS (", places.first.empty() ? "not set" : joined(places.first), ")");
  if (places.python)
    missing_ += message(" or in nvidia/*/lib of python3 (", python.empty() ? "no such folder" : joined(python), ")");
  for (const std::string& problem : problems_) missing_ += "; " + problem;
}

bool Library::open(const std::string& path) {
  handle_ = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle_) {
    path_ = path;
    return true;
  }
  const char* const said = ::dlerror();
  const std::string problem = said ? said : path;
  // The loader begins with the file that it misses, or cannot use: this one, or one that this one needs.
  if (!problem.starts_with(path + ": "))
    problems_.push_back(message(path, " needs ", problem));
  else if (problem.find("No such file") == problem.npos)
    problems_.push_back(problem);
  return false;
}

void* Library::address(const char* symbol) const {
  require(found(), name_, missing_);
  void* const found = ::dlsym(handle_, symbol);
  require(found != nullptr, name_, path_, " has no function ", symbol, "; install a newer version");
  return found;
}

const std::string& Library::refusal() const {
  if (!missing_.empty() && !said_.exchange(true)) warn(missing_, "; weft's own kernels run instead");
  return missing_;
}

const Library& cudnn_library() {
  static const auto* const library = new Library("cuDNN", {"libcudnn.so.9"}, library_places());
  return *library;
}

const Library& cublaslt_library() {
  static const auto* const library =
      new Library("cuBLASLt", {"libcublasLt.so.13", "libcublasLt.so.12"}, library_places());
  return *library;
}

std::vector<std::pair<std::string, std::string>> library_versions() {
  return {{"cuDNN", version_of(cudnn_library(), "cudnnGetVersion")},
          {"cuBLASLt", version_of(cublaslt_library(), "cublasLtGetVersion")}};
}

}  // namespace weft::nvidia
