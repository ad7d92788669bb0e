// Config: every choice that makes up a run, as `weft train` takes it from flags and from TOML. One table of settings
// gives flags, keys, help, ranges and the saved file, so a new choice is a member here and a row there. No side
// effects.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/export.h"

namespace weft::train {

struct Config {
  // model
  std::string model = "lenet";
  std::vector<std::int64_t> hidden;                          // empty: the model's own
  std::vector<double> drop;                                  // one for all, or one per hidden layer
  std::string act, pool, init;                               // empty: the model's own
  std::string auxiliary, moving_variance;                    // the same
  std::int64_t num_classes = 0, in_chans = 0, img_size = 0;  // 0: what the data has
  std::string pretrained;
  std::string memory_format = "channels_last";
  // data
  std::string data = "fashion-mnist";
  std::string data_dir;
  std::int64_t samples = 0;  // 0: the data set's own
  std::int64_t workers = 1;
  bool data_on_device = false;
  // optimization
  std::int64_t batch_size = 256;
  std::string opt = "sgd";
  double lr = 0.1, momentum = 0, weight_decay = 0;
  bool nesterov = false;
  double clip_grad = 0;  // 0: no clipping
  std::string clip_mode = "norm";
  double smoothing = 0;
  std::string sched = "constant";
  double decay_rate = 0.1, power = 1, min_lr = 0, warmup_lr = 0;
  double warmup_epochs = 0, decay_epochs = 30;
  std::int64_t patience_epochs = 10;
  std::vector<double> decay_milestones;
  // run
  std::int64_t epochs = 10, steps = 0;  // steps 0: no limit
  std::string device = "cpu";
  bool amp = false;
  std::string amp_dtype = "float16";
  bool capture = false;
  bool tf32 = false;
  std::string profile_steps;  // "20:30"; empty: none
  std::int64_t threads = 0;   // 0: all
  std::int64_t seed = 0;
  std::string output;  // empty: nothing is saved
  std::int64_t log_interval = 50;
  std::int64_t checkpoint_every = 0;  // 0: at the end of each epoch only
  std::int64_t checkpoint_keep = 3;
};

struct Setting {
  using Member = std::variant<std::string Config::*, std::int64_t Config::*, double Config::*, bool Config::*,
                              std::vector<std::int64_t> Config::*, std::vector<double> Config::*>;
  struct Rules {
    double low = 0, high = std::numeric_limits<double>::infinity();  // of a number
    std::vector<std::string> choices = {};                           // of a string; empty: any
    bool fixed = false;                                              // a resumed run cannot change it
    const char* short_flag = "";
  };
  const char* group;
  const char* name;  // the key in TOML; the flag is -- and this
  Member member;
  const char* help;
  Rules rules = {};
};

WEFT_API std::span<const Setting> settings();  // groups one after another

// Sets a member from a flag's text ("a,b" for lists). Throws Error(usage) naming `where`, the range and what came.
WEFT_API void assign(Config& config, const Setting& setting, std::string_view text, std::string_view where);
// A member as a flag's text, and as TOML.
WEFT_API std::string flag_text(const Config& config, const Setting& setting);
WEFT_API std::string toml_text(const Config& config, const Setting& setting);

// The whole config as TOML, groups under comments: what a run prints and saves.
WEFT_API std::string to_toml(const Config& config);
// Keys of the TOML text replace members. Unknown keys, wrong types and values out of range are Error(usage) with the
// file's name and line; the nearest key is suggested.
WEFT_API void merge_toml(Config& config, std::string_view text, std::string_view file);
WEFT_API void merge_file(Config& config, const std::filesystem::path& file);

// Throws Error(usage) naming the first setting that differs although a resumed run cannot change it.
WEFT_API void check_same_run(const Config& saved, const Config& now);

}  // namespace weft::train
