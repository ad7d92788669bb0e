// The program weft.
#include <string>
#include <vector>

#include "tools/commands.h"

int main(int argc, char* argv[]) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return weft::cli::run_command_line(arguments);
}
