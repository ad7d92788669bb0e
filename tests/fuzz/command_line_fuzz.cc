// Any lines as the words of a command line: refused in one line, or a config whose saved file says the same.
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tools/flags.h"

namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// The flags of all subcommands together; true when they were accepted.
bool parse(const std::vector<std::string>& words, weft::train::Config& config) {
  weft::cli::Flags flags("train", "fuzzed");
  std::string file, name;
  std::int64_t top = 1;
  bool resume = false;
  flags.settings([](const weft::train::Setting&) { return true; });
  flags.group("Run");
  flags.text("-c,--config", file, "a file");
  flags.on("--resume", resume, "a switch");
  flags.whole("--top", top, "a number", 1, 100);
  flags.positional("name", name, "a name");
  if (!flags.parse(words)) return false;
  flags.apply(config);
  if (top < 1 || top > 100) weft::tests::fuzz_failure("a number outside its range", std::to_string(top));
  return true;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string> words = lines_of({reinterpret_cast<const char*>(data), size});
  weft::train::Config config;
  bool accepted = false;
  weft::tests::expect_refusal(weft::ErrorKind::usage, [&] { accepted = parse(words, config); });
  if (!accepted) return 0;
  const std::string saved = to_toml(config);
  weft::train::Config again;
  merge_toml(again, saved, "saved");  // anything thrown here is a finding
  if (to_toml(again) != saved) weft::tests::fuzz_failure("the saved config reads differently", saved);
  return 0;
}
