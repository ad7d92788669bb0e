// Where data sets lie on disk: --data-dir, else WEFT_DATA_DIR, else the cache folder $XDG_CACHE_HOME/weft
// (~/.cache/weft). Each may hold a folder named like the data set, or the files themselves.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/export.h"

namespace weft::data {

// The folder that downloads go to; "" where neither XDG_CACHE_HOME nor HOME says.
WEFT_API std::string cache_folder();

// The paths of all of the files (each plain or with ".gz") of a data set, from the first place that has them all.
// Nothing when no place has; a data_dir that is given is the only place, and an Error(data) when it lacks a file.
WEFT_API std::optional<std::vector<std::string>> find_files(const std::string& data_set,
                                                            std::span<const std::string> files,
                                                            const std::string& data_dir);

}  // namespace weft::data
