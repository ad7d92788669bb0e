#include "data/folders.h"

#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "core/error.h"

namespace weft::data {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string join(std::string_view folder, std::string_view name) {
  return (std::filesystem::path(folder) / name).string();
}

bool is_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

// The files inside a folder, as many as are found in order.
std::vector<std::string> present(const std::string& folder, std::span<const std::string> files) {
  std::vector<std::string> paths;
  for (const std::string& file : files) {
    const std::string plain = join(folder, file);
    const std::string zipped = plain + ".gz";
    if (!is_file(plain) && !is_file(zipped)) break;
    paths.push_back(is_file(plain) ? plain : zipped);
  }
  return paths;
}

}  // namespace

std::string cache_folder() {
  if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty()) return join(cache, "weft");
  if (const std::string home = variable("HOME"); !home.empty()) return join(home, ".cache/weft");
  return "";
}

std::optional<std::vector<std::string>> find_files(const std::string& data_set, std::span<const std::string> files,
                                                   const std::string& data_dir) {
  std::vector<std::string> places = {data_dir};
  if (data_dir.empty()) places = {variable("WEFT_DATA_DIR"), cache_folder()};
  for (const std::string& place : places) {
    if (place.empty()) continue;
    for (const std::string& folder : {join(place, data_set), place}) {
      std::vector<std::string> paths = present(folder, files);
      if (paths.size() == files.size()) return paths;
    }
  }
  if (data_dir.empty()) return std::nullopt;
  require_data(std::filesystem::is_directory(data_dir), data_dir, "no such folder, given as the data folder for ",
               data_set);
  const std::string folder = join(data_dir, data_set);
  const bool in_own_folder = std::filesystem::is_directory(folder);
  const std::string& missing = files[present(in_own_folder ? folder : data_dir, files).size()];
  fail(ErrorKind::data, data_dir, "expected ", join(data_set, missing), "[.gz] or ", missing,
       "[.gz] in it, found neither; without a data folder given, weft downloads ", data_set);
}

}  // namespace weft::data
