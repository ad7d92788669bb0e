#include <cstdio>
#include <new>
#include <vector>

#include "core/error.h"
#include "core/kernel_slot.h"
#include "core/suggest.h"
#include "core/version.h"
#include "tools/commands.h"

namespace weft::cli {
namespace {

struct Command {
  const char* name;
  const char* about;
  int (*run)(Arguments);
};

constexpr Command kCommands[] = {
    {"train", "train a net", train_command},
    {"eval", "loss and accuracy of a trained net", eval_command},
    {"predict", "what a trained net says of photos or of an .npy file", predict_command},
    {"convert", "write a weights file (safetensors, .pth) as safetensors", convert_command},
    {"models", "nets known by name, and what is inside one", models_command},
    {"data", "data sets known by name", data_command},
    {"bench", "time of a training step and its parts", bench_command},
    {"devices", "what this machine can compute on", devices_command},
    {"op", "run, time and list single ops", op_command},
    {"plan", "what would run on a GPU that is not here", plan_command},
    {"selftest", "check every op on this machine against its reference", selftest_command},
};

void print_help() {
  std::printf("weft %s: trains neural networks\n\nusage: weft COMMAND [flags]; weft COMMAND --help lists the flags\n\n",
              kVersion);
  for (const Command& command : kCommands) std::printf("  %-10s%s\n", command.name, command.about);
}

int run_command(const std::string& name, Arguments rest) {
  std::vector<std::string> known;
  for (const Command& command : kCommands) {
    if (name == command.name) return command.run(rest);
    known.emplace_back(command.name);
  }
  fail(ErrorKind::usage, "command", "unknown '", name, "'", suggestion(name, known));
}

int report(const char* text, ErrorKind kind) {
  std::fflush(stdout);
  std::fprintf(stderr, "weft: %s\n", text);
  return static_cast<int>(kind);
}

}  // namespace

int run_command_line(Arguments arguments) {
  try {
    if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
      print_help();
      return arguments.empty() ? static_cast<int>(ErrorKind::usage) : 0;
    }
    if (arguments[0] == "--version") {
      std::printf("weft %s\n", kVersion);
      return 0;
    }
    check_kernels_wanted();
    return run_command(arguments[0], arguments.subspan(1));
  } catch (const Error& error) {
    return report(error.what(), error.kind());
  } catch (const std::bad_alloc&) {
    return report("out of memory", ErrorKind::out_of_memory);
  } catch (const std::exception& error) {
    return report(error.what(), ErrorKind::internal);
  }
}

}  // namespace weft::cli
