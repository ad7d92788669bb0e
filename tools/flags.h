// Flags: the options of one subcommand, with typed targets, ranges, --help in groups, and a suggestion for an unknown
// flag. CLI11 does the work behind this face, so that one file includes it. Mistakes are Error(usage).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/device.h"
#include "train/config.h"

namespace weft::cli {

class Flags {
 public:
  // command: "train", as in `weft train`; about: what it does, in one line.
  Flags(const std::string& command, const std::string& about);
  ~Flags();
  Flags(const Flags&) = delete;
  Flags& operator=(const Flags&) = delete;

  void group(const std::string& name);  // of the flags added from here on
  // names: "--weights", or "-b,--batch-size".
  void text(const std::string& names, std::string& target, const std::string& help);
  void whole(const std::string& names, std::int64_t& target, const std::string& help, std::int64_t low,
             std::int64_t high);
  void on(const std::string& names, bool& target, const std::string& help);
  // `--name=value` or `--name value`, handed to the function as it comes; of several the last.
  void each(const std::string& names, std::function<void(const std::string&)> take, const std::string& help,
            const std::string& shown_default = "");
  // The same for a flag that may be given any number of times: each value is handed over, in order.
  void every(const std::string& names, std::function<void(const std::string&)> take, const std::string& help);
  void positional(const std::string& name, std::string& target, const std::string& help);
  void positionals(const std::string& name, std::vector<std::string>& target, const std::string& help);  // any number
  // Settings of a run (train/config.h), those `wanted`; they are assigned by apply().
  void settings(const std::function<bool(const train::Setting&)>& wanted);

  // False when --help was asked for and has been printed.
  bool parse(std::span<const std::string> arguments);
  // Assigns the settings that were given, in the order they came.
  void apply(train::Config& config) const;
  bool given(std::string_view setting) const;
  // Refuses what only all settings together show to be a mistake: --amp-dtype without --amp.
  void check(const train::Config& config) const;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace weft::cli
