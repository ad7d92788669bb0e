// weft op: one op of the table on given or random arrays, timed; or the list of all.
#include <iostream>

#include "tools/commands.h"
#include "tools/flags.h"
#include "tools/op_run.h"

namespace weft::cli {
namespace {

// Calls take for each part of a list "a,b,c".
template <typename F>
void each_part(const std::string& text, F&& take) {
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    take(text.substr(begin, end - begin));
    begin = end + 1;
  }
}

void add_flags(Flags& flags, tools::OpRequest& request) {
  flags.positional("NAME", request.op, "the op, as --list names it");
  flags.group("What to compute");
  flags.each(
      "--input",
      [&](const std::string& text) {
        each_part(text, [&](const std::string& path) { request.inputs.push_back(path); });
      },
      "a.npy,b.npy: its inputs");
  flags.each(
      "--shape",
      [&](const std::string& text) {
        each_part(text, [&](const std::string& part) { request.shapes.push_back(tools::parse_shape(part)); });
      },
      "2x3,3x4: random inputs of these shapes");
  flags.every(
      "--attr",
      [&](const std::string& text) {
        const std::size_t equals = text.find('=');
        require(equals != text.npos && equals > 0, "op", "--attr '", text, "' is not like axis=1");
        request.attributes.emplace_back(text.substr(0, equals), text.substr(equals + 1));
      },
      "name=value, any number of times");
  flags.text("--grad", request.gradient, "dy.npy, or ones: compute the gradients too");
  flags.text("--output", request.output, "y.npy; gradients go to y.d<input>.npy");
  flags.group("How");
  flags.each(
      "--dtype",
      [&](const std::string& text) {
        request.dtype = parse_dtype(text);
        require(request.dtype && is_floating(*request.dtype), "op", "--dtype '", text, "' is none of f32 f64 f16 bf16");
      },
      "f32, f64, f16 or bf16", "f32");
  flags.each(
      "--format", [&](const std::string& text) { request.format = parse_memory_format(text); },
      "contiguous or channels-last, of inputs with four axes", "contiguous");
  flags.each(
      "--device", [&](const std::string& text) { request.device = parse_device(text); }, "where to run", "cpu");
  flags.text("--kernel", request.kernel, "candidate, or slot=candidate, to use");
}

}  // namespace

int op_command(Arguments arguments) {
  Flags flags("op", "run, time and list single ops");
  tools::OpRequest request;
  bool list = false, json = false;
  std::int64_t repeat = 10;
  add_flags(flags, request);
  flags.whole("--repeat", repeat, "timed runs; the median is shown", 1, 1000000);
  flags.on("--list", list, "name every op with its inputs, attributes and kernels");
  flags.on("--json", json, "print JSON");
  if (!flags.parse(arguments)) return 0;
  if (list) {
    tools::list_ops(std::cout, request.device, json);
    return 0;
  }
  require(!request.op.empty(), "op", "needs the name of an op; weft op --list names all");
  request.repeat = static_cast<int>(repeat);
  tools::print_report(std::cout, request, tools::run_op(request), json);
  return 0;
}

}  // namespace weft::cli
