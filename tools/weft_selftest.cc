// weft selftest: every row of the op table on a device, against its reference, in every dtype and memory format.
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tools/commands.h"
#include "tools/flags.h"
#include "tools/op_run.h"

namespace weft::cli {

int selftest_command(Arguments arguments) {
  Flags flags("selftest", "check every op on this machine against its reference");
  Device device;
  std::string pattern, list;
  std::int64_t random = 0;
  flags.positional("NAME", pattern, "only ops with this in their name");
  flags.each(
      "--device", [&](const std::string& text) { device = parse_device(text); }, "where to run", "cpu");
  flags.text("--only", list, "a,b,c: these ops and no others");
  flags.whole("--random", random, "other sizes, drawn by this number; 0: the rows' own", 0, 1 << 30);
  if (!flags.parse(arguments)) return 0;
  std::vector<std::string> only;
  for (std::istringstream rest(list); std::getline(rest, list, ',');) only.push_back(list);
  const auto drawn = random > 0 ? std::optional<std::uint64_t>(random) : std::nullopt;
  return tools::selftest(std::cout, device, pattern, only, drawn) ? 0 : static_cast<int>(ErrorKind::internal);
}

}  // namespace weft::cli
