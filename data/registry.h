// Data sets by name: what `--data NAME` opens. Files are looked for in --data-dir, then WEFT_DATA_DIR, then
// $XDG_CACHE_HOME/weft (~/.cache/weft), where they are downloaded to when they are nowhere.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"

namespace weft::data {

enum class Split : std::uint8_t { train, val };
WEFT_API std::string to_string(Split split);

struct Facts {
  std::string name = {};
  std::string about = {};                           // one line
  Shape input = {};                                 // of a sample, as it comes by default
  int classes = 0;                                  // 0: a regression
  int outputs = 0;                                  // of a regression
  std::vector<std::string> class_names = {};        // empty where classes have no names
  std::int64_t train_samples = 0, val_samples = 0;  // by default
  bool drawn = false;                               // made by weft: needs no files, and has as many samples as asked
};

struct OpenOptions {
  Split split = Split::train;
  std::string dir = {};      // as --data-dir: holds the data set's folder or its files; empty: looked for
  std::uint64_t seed = 0;    // of drawn data sets; both splits of one seed belong together
  std::int64_t samples = 0;  // of drawn data sets: how many; of others: only the first so many. 0: the default
  int image_size = 0;        // resizes images to squares of this size; 0 keeps theirs
  Shape input = {};          // of `synthetic`: (C, H, W); rank 0: the default
  int classes = 0;           // of `synthetic`; 0: the default
  bool download = true;      // whether missing files may be fetched
};

// What is known without opening. Throws Error(usage) with the nearest name for an unknown one.
WEFT_API const Facts& facts(std::string_view name);
WEFT_API std::vector<std::string> names();  // sorted
WEFT_API DatasetPtr open(std::string_view name, const OpenOptions& options = {});

// Adds a data set under facts.name, which must be new.
using Opener = std::function<DatasetPtr(const OpenOptions&)>;
WEFT_API void add(const Facts& facts, Opener opener);

}  // namespace weft::data
