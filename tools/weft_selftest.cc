// weft selftest: every row of the op table on a device, against its reference, in every dtype and memory format.
#include <iostream>

#include "tools/commands.h"
#include "tools/flags.h"
#include "tools/op_run.h"

namespace weft::cli {

int selftest_command(Arguments arguments) {
  Flags flags("selftest", "check every op on this machine against its reference");
  Device device;
  std::string pattern;
  flags.positional("NAME", pattern, "only ops with this in their name");
  flags.each(
      "--device", [&](const std::string& text) { device = parse_device(text); }, "where to run", "cpu");
  if (!flags.parse(arguments)) return 0;
  return tools::selftest(std::cout, device, pattern) ? 0 : static_cast<int>(ErrorKind::internal);
}

}  // namespace weft::cli
