// What an example must reach: prints each figure beside its bounds and remembers whether all hold.
#pragma once

#include <cstdio>

namespace weft::examples {

class Figures {
 public:
  void expect(const char* name, double value, double low, double high) {
    const bool holds = value >= low && value <= high;
    std::printf("%-44s %10.7g   must be in [%g, %g]   %s\n", name, value, low, high, holds ? "ok" : "MISSED");
    all_hold_ = all_hold_ && holds;
  }
  int exit_code() const { return all_hold_ ? 0 : 1; }

 private:
  bool all_hold_ = true;
};

}  // namespace weft::examples
