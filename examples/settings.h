// What the command line of an example can change: where the data lies, and how much of it to train on for a quick look.
// An error is one line and the exit code of its kind, as with the program weft.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "core/error.h"

namespace weft::examples {

struct Settings {
  std::string folder = {};               // of the data; empty: WEFT_DATA_DIR, else the cache
  std::int64_t epochs = 0, samples = 0;  // 0: as in the lecture notes
  // Figures of training are judged only then.
  bool whole() const { return epochs == 0 && samples == 0; }
};

inline constexpr const char* kUsage =
    "  --data-dir DIR   folder that holds fashion-mnist/; default WEFT_DATA_DIR, else the cache, which is filled from\n"
    "                   the internet\n"
    "  --epochs N       instead of the lecture notes'\n"
    "  --samples N      only the first N images of training and test; with either, what training reaches is not "
    "judged\n";

inline Settings read_settings(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view flag = argv[i];
    require(flag == "--data-dir" || flag == "--epochs" || flag == "--samples", "example", "unknown argument '", flag,
            "'; see --help");
    require(i + 1 < argc, "example", flag, " needs a value");
    const std::string_view value = argv[i + 1];
    if (flag == "--data-dir") {
      settings.folder = value;
      continue;
    }
    std::int64_t& number = flag == "--epochs" ? settings.epochs : settings.samples;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    require(error == std::errc() && end == value.data() + value.size() && number >= 1, "example", flag,
            " needs a positive number, got '", value, "'");
  }
  return settings;
}

// lesson(settings) gives the exit code.
template <typename Lesson>
int run(int argc, char** argv, const char* about, const Lesson& lesson) {
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) != "--help" && std::string_view(argv[i]) != "-h") continue;
    std::printf("%s\n\nusage: %s [flags]\n%s", about, argv[0], kUsage);
    return 0;
  }
  try {
    return lesson(read_settings(argc, argv));
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.kind());
  }
}

}  // namespace weft::examples
