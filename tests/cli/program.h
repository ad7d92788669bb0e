// Runs the built program weft as a user would: its exit code, what it printed, and a way to send it signals.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace weft::tests {

struct Finished {
  int code = 0;  // the exit code; 128 + signal when a signal ended it
  std::string out, err;
};

// A started program. Its output goes to files that wait() reads.
class Program {
 public:
  // environment: "NAME=value" entries beside the inherited ones.
  explicit Program(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {});
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();  // kills it when it still runs

  void send(int signal) const;
  // Sends it, and waits until the process has taken it: a signal that still waits would swallow a second one.
  void deliver(int signal) const;
  bool running();
  Finished wait();
  std::string output_so_far() const;  // of standard output

 private:
  void collect(int flags);

  pid_t process_ = -1;
  int status_ = 0;
  bool ended_ = false;
  int out_ = -1, err_ = -1;
};

Finished run_weft(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {});
// Where the program is: beside the test program.
std::string weft_path();

}  // namespace weft::tests
