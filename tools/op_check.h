// What is asserted of every row of the op table: the tests and `weft selftest` both call these. Each check returns what
// is wrong in one line, or nothing. None of them knows an op by name.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/kernel_slot.h"
#include "tools/op_cases/op_case.h"

namespace weft::tools {

// How the inputs lie in memory: as they are, images channels-last, every other element of a wider buffer, or with the
// last two axes swapped.
enum class Form : std::uint8_t { contiguous, channels_last, strided, permuted };
inline constexpr Form kForms[] = {Form::contiguous, Form::channels_last, Form::strided, Form::permuted};
std::string to_string(Form form);

// "conv2d x (2, 3, 7, 6), weight (4, 3, 3, 3), stride 1,1": which row it is.
std::string describe(const OpCase& row);
// The inputs in that form; nothing when the form says nothing new about them.
std::optional<Tensors> arrange(const Tensors& inputs, Form form);
bool accepts(const OpCase& row, DType dtype);
// Whether input i takes part in differentiation.
bool wants_gradient(const OpCase& row, std::size_t i);

using Complaint = std::string;

// The result against the row's reference, computed in double from the inputs as rounded to the dtype.
Complaint check_forward(const OpCase& row, DType dtype, Form form, Device device = {});
// The f64 gradient against central differences along a random direction; and each input's gradient the same whether it
// is asked for alone or with the others.
Complaint check_gradient(const OpCase& row, Device device = {});
// The gradient in a dtype and form against the f64 gradient of the same (rounded) inputs.
Complaint check_gradient_like_f64(const OpCase& row, DType dtype, Form form, Device device = {});
// The same bits of result and gradients with 1 and with 2 threads.
Complaint check_threads(const OpCase& row, DType dtype);

struct Candidates {
  std::string slot;
  std::vector<std::string> names;
};
// The slots that the row's forward and backward call, with what is registered for the device.
std::vector<Candidates> candidates_of(const OpCase& row, DType dtype, Device device = {});
// Forces each candidate of each slot in turn: those that do not refuse pass check_forward and check_gradient_like_f64.
Complaint check_candidates(const OpCase& row, DType dtype, Form form, Device device = {});

// All of the above over all dtypes and forms; one line a failure.
std::vector<Complaint> check_row(const OpCase& row, Device device = {});

}  // namespace weft::tools
