// What `weft op` does: finds a row of the op table by name, runs it on given arrays or random ones, with gradients when
// asked for, and times it. Knows no op by name. Errors are the op's own, or say what the row takes.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/kernel_slot.h"
#include "tools/op_cases/op_case.h"

namespace weft::tools {

struct OpRequest {
  std::string op = {};
  std::vector<std::string> inputs = {};                              // .npy files; none: random numbers
  std::vector<Shape> shapes = {};                                    // of random inputs; none: the row's
  std::vector<std::pair<std::string, std::string>> attributes = {};  // over the row's
  std::string gradient = {};                                         // .npy of dy, "ones", or empty: no gradients
  std::optional<DType> dtype = {};                 // of the inputs; none: f32, or as the files have it
  MemoryFormat format = MemoryFormat::contiguous;  // of rank-4 inputs
  Device device = {};
  std::string kernel = {};  // "cpu.direct", "direct" or "conv2d_forward=direct"; empty: the first that accepts
  int repeat = 1;           // timed runs, after one that is not timed
  std::string output = {};  // y.npy; gradients go beside it as y.d<input>.npy
};

struct OpKernel {
  std::string slot, candidate;
  Cost cost;
};
struct OpReport {
  std::vector<std::string> inputs;  // names
  Tensor y;
  Tensors gradients;                        // one per input, undefined where there is none
  std::vector<OpKernel> forward, backward;  // the kernels called, in order
  double forward_ms = 0, backward_ms = 0;   // medians
};

// "2x3x4" as a shape; "scalar" is rank 0.
Shape parse_shape(const std::string& text);

OpReport run_op(const OpRequest& request);
// The report as lines, or as one line of JSON.
void print_report(std::ostream& out, const OpRequest& request, const OpReport& report, bool json);

// Every op with its inputs, attributes (values of its first row) and candidates on the device.
void list_ops(std::ostream& out, Device device, bool json);

// Checks all rows whose op contains `pattern` (tools/op_check.h), or, where `only` is not empty, those of exactly these
// ops; with `random`, in other sizes that follow from this number (tools/op_random.h). Prints each failure and a
// summary. Returns whether all passed.
bool selftest(std::ostream& out, Device device, const std::string& pattern, const std::vector<std::string>& only = {},
              std::optional<std::uint64_t> random = {});

}  // namespace weft::tools
