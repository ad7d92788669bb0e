// What an example must reach: prints each figure beside its bounds and remembers whether all hold.
#pragma once

#include <cstdio>

namespace weft::examples {

class Figures {
 public:
  explicit Figures(bool judges_training = true) : judges_training_(judges_training) {}
  // What training reached; after less than the lecture notes' it has no bounds to keep.
  void reached(const char* name, double value, double low, double high) {
    if (judges_training_)
      expect(name, value, low, high);
    else
      std::printf("%-44s %10.9g   not judged: less training than in the lecture notes\n", name, value);
  }
  void expect(const char* name, double value, double low, double high) {
    const bool holds = value >= low && value <= high;
    std::printf("%-44s %10.9g   must be in [%.9g, %.9g]   %s\n", name, value, low, high, holds ? "ok" : "MISSED");
    all_hold_ = all_hold_ && holds;
  }
  int exit_code() const { return all_hold_ ? 0 : 1; }

 private:
  bool judges_training_, all_hold_ = true;
};

}  // namespace weft::examples
