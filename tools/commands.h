// The subcommands of weft, one function each in tools/weft_<name>.cc. Each takes the words after its name, returns the
// exit code, and throws what the caller prints and turns into an exit code.
#pragma once

#include <span>
#include <string>

namespace weft::cli {

using Arguments = std::span<const std::string>;

int train_command(Arguments arguments);
int eval_command(Arguments arguments);
int predict_command(Arguments arguments);
int convert_command(Arguments arguments);
int models_command(Arguments arguments);
int data_command(Arguments arguments);
int bench_command(Arguments arguments);
int devices_command(Arguments arguments);
int op_command(Arguments arguments);
int selftest_command(Arguments arguments);
int plan_command(Arguments arguments);

// `weft` itself: finds the subcommand, runs it, prints errors as one line on standard error, returns the exit code.
int run_command_line(Arguments arguments);

}  // namespace weft::cli
