// Any bytes as a run's TOML file: what is accepted must come back the same from the file that the run would save.
#include "train/config.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  weft::train::Config config;
  bool accepted = false;
  weft::tests::expect_refusal(weft::ErrorKind::usage, [&] {
    merge_toml(config, text, "file");
    accepted = true;
  });
  if (!accepted) return 0;
  const std::string saved = to_toml(config);
  weft::train::Config again;
  merge_toml(again, saved, "saved");  // anything thrown here is a finding
  if (to_toml(again) != saved) weft::tests::fuzz_failure("the saved config reads differently", saved);
  return 0;
}
