// NVIDIA's libraries (cuDNN, cuBLASLt), opened on first use, so that weft starts and trains on machines without
// them. One that is missing is said once, with the places where it was looked for, and our own kernels run instead.
#pragma once

#include <atomic>
#include <string>
#include <utility>
#include <vector>

namespace weft::nvidia {

// Where libraries are looked for, in order: the folders of WEFT_CUDA_LIBS, the loader's path, the toolkit, and the
// nvidia/*/lib folders of the Python on the PATH.
struct LibraryPlaces {
  std::vector<std::string> first = {};  // WEFT_CUDA_LIBS: what the user names wins
  bool loader = true;
  std::vector<std::string> then = {};  // the toolkit's folders that exist
  bool python = true;                  // asked only when all else has failed: it starts a process
};
LibraryPlaces library_places();  // as the environment has it

class Library {
 public:
  // files: names in order of preference, "libcudnn.so.9". Never throws: ask found().
  Library(std::string name, const std::vector<std::string>& files, const LibraryPlaces& places);
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  const std::string& name() const { return name_; }
  bool found() const { return handle_ != nullptr; }
  const std::string& path() const { return path_; }        // the file that was opened
  const std::string& missing() const { return missing_; }  // what was looked for where; empty when found
  void* handle() const { return handle_; }                 // for dlsym

  // A function of the library: library.function<std::size_t()>("cublasLtGetVersion"). One that it does not have is
  // Error(usage) naming the file.
  template <typename Signature>
  Signature* function(const char* symbol) const {
    return reinterpret_cast<Signature*>(address(symbol));
  }

  // missing(), after a warning the first time; empty when found. What a candidate refuses with.
  const std::string& refusal() const;

 private:
  bool open(const std::string& path);
  void* address(const char* symbol) const;

  std::string name_, path_, missing_;
  std::vector<std::string> problems_;  // what the loader said of files that are there but cannot be opened
  void* handle_ = nullptr;
  mutable std::atomic<bool> said_{false};
};

// Opened by the first call, never closed.
const Library& cudnn_library();
const Library& cublaslt_library();

// {"cuDNN", "9.19.0"}, {"cuBLASLt", "13.1.0"}; "not found" for one that is missing.
std::vector<std::pair<std::string, std::string>> library_versions();

}  // namespace weft::nvidia
