#include "tools/op_check.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/autograd.h"
#include "core/ops/copy.h"
#include "core/parallel.h"
#include "core/random.h"

namespace weft::tools {
namespace {

double epsilon(DType dtype) {
  switch (dtype) {
    case DType::f64: return 0x1p-52;
    case DType::f16: return 0x1p-10;
    case DType::bf16: return 0x1p-7;
    default: return 0x1p-23;
  }
}

Tensors moved(const Tensors& inputs, Device device) {
  Tensors out;
  for (const Tensor& x : inputs) out.push_back(x.to(device));
  return out;
}
Tensors converted(const OpCase& row, const Tensors& inputs, DType dtype) {
  Tensors out;
  for (std::size_t i = 0; i < inputs.size(); ++i) out.push_back(row.inputs[i].dtype ? inputs[i] : inputs[i].to(dtype));
  return out;
}

// Fixed numbers in [-1, 1) for directions and cotangents.
std::vector<double> numbers(std::int64_t n, std::uint64_t stream) {
  std::vector<double> out(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = 2 * double(uniform_from(random_word({77, stream}, i))) - 1;
  return out;
}

// Where two lists of numbers differ by more than allowed; scale is the size of a number that counts as large.
Complaint compare(const std::vector<double>& got, const std::vector<double>& wanted, double allowed) {
  if (got.size() != wanted.size()) return message("has ", got.size(), " elements, wanted ", wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(wanted[i]) ? std::isnan(got[i]) : got[i] == wanted[i]) continue;
    const double error = std::fabs(got[i] - wanted[i]), bound = allowed * std::max(1.0, std::fabs(wanted[i]));
    if (!(error <= bound))
      return message("element ", i, " is ", got[i], ", wanted ", wanted[i], " (off by ", error, ", allowed ", bound,
                     ")");
  }
  return {};
}

Complaint said(const OpCase& row, DType dtype, Form form, const char* what, const Complaint& text) {
  return text.empty() ? text : message(describe(row), ", ", dtype, ", ", form, ": ", what, " ", text);
}

struct Outcome {
  Tensor y;
  Tensors gradients;  // undefined where none was asked for
};

// y and the gradients for a fixed cotangent; `only` >= 0 asks for that input's gradient alone.
Outcome run_with_gradients(const OpCase& row, const Tensors& inputs, int only = -1) {
  Tensors leaves;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    leaves.push_back(inputs[i].detach());
    if (row.differentiable && wants_gradient(row, i) && is_floating(inputs[i].dtype()) && (only < 0 || only == int(i)))
      leaves.back().set_requires_grad();
  }
  Outcome out{row.run(leaves, row.attributes), {}};
  if (out.y.requires_grad()) {
    const Tensor dy = tensor(out.y.shape(), numbers(out.y.elements(), 1), {.dtype = out.y.dtype()}).to(out.y.device());
    out.y.backward(dy);
  }
  for (const Tensor& leaf : leaves) out.gradients.push_back(leaf.requires_grad() ? leaf.grad() : Tensor{});
  return out;
}

bool any_gradient(const OpCase& row) {
  for (std::size_t i = 0; row.differentiable && i < row.inputs.size(); ++i)
    if (wants_gradient(row, i)) return true;
  return false;
}

// Of the result times its fixed cotangent, along the directions of those inputs that are differentiated.
double central_difference(const OpCase& row, const Tensors& inputs, const std::vector<std::vector<double>>& directions,
                          double step, Device device) {
  const auto loss = [&](double by) {
    Tensors at;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      std::vector<double> values = inputs[i].to_vector();
      for (std::size_t k = 0; wants_gradient(row, i) && k < values.size(); ++k) values[k] += by * directions[i][k];
      at.push_back(tensor(inputs[i].shape(), values, {.dtype = inputs[i].dtype()}));
    }
    const NoGrad guard;
    return row.run(moved(at, device), row.attributes).to_vector();
  };
  const std::vector<double> up = loss(step), down = loss(-step), dy = numbers(std::int64_t(up.size()), 1);
  double sum = 0;
  for (std::size_t k = 0; k < up.size(); ++k) sum += dy[k] * (up[k] - down[k]) / (2 * step);
  return sum;
}

Complaint compare_gradients(const Tensors& got, const Tensors& wanted, double allowed) {
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!got[i].defined() && !wanted[i].defined()) continue;
    if (got[i].defined() != wanted[i].defined()) return message("of input ", i, " is missing");
    if (got[i].shape() != wanted[i].shape())
      return message("of input ", i, " is ", got[i].shape(), ", wanted ", wanted[i].shape());
    const Complaint text = compare(got[i].to_vector(), wanted[i].to_vector(), allowed);
    if (!text.empty()) return message("of input ", i, ": ", text);
  }
  return {};
}

double gradient_allowance(const OpCase& row, DType dtype) {
  const double terms = row.gradient_reduction > 0 ? row.gradient_reduction : row.reduction;
  return row.tolerance * epsilon(dtype) * std::sqrt(std::max(1.0, terms));
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.defined() != b.defined()) return false;
  if (!a.defined()) return true;
  const Tensor x = a.contiguous(), y = b.contiguous();
  return x.shape() == y.shape() && x.dtype() == y.dtype() &&
         (x.bytes() == 0 || std::memcmp(x.raw(), y.raw(), x.bytes()) == 0);
}

// The row's reference for these inputs. The last one is kept: the forms and candidates of a row ask for the same.
const Array& reference_of(const OpCase& row, DType dtype, const Tensors& inputs) {
  thread_local const OpCase* last_row = nullptr;
  thread_local Array (*last_reference)(const Arrays&, const Attributes&) = nullptr;
  thread_local DType last_dtype = DType::f32;
  thread_local Array reference;
  if (&row == last_row && row.reference == last_reference && dtype == last_dtype) return reference;
  Arrays arrays;
  for (const Tensor& x : inputs) arrays.push_back(to_array(x));
  reference = row.reference(arrays, row.attributes);
  last_row = &row;
  last_reference = row.reference;
  last_dtype = dtype;
  return reference;
}

// Slots heard while it lives.
class Listener final : public KernelObserver {
 public:
  std::vector<std::string> slots;
  void called(const KernelCall& call) override {
    if (std::find(slots.begin(), slots.end(), call.slot) == slots.end()) slots.emplace_back(call.slot);
  }
};

// A forced candidate for as long as it lives.
class Forced {
 public:
  Forced(const std::string& slot, const std::string& candidate) : slot_(slot) { force_kernel(slot, candidate); }
  Forced(const Forced&) = delete;
  Forced& operator=(const Forced&) = delete;
  ~Forced() { force_kernel(slot_, ""); }

 private:
  std::string slot_;
};

}  // namespace

std::string to_string(Form form) {
  constexpr const char* names[] = {"contiguous", "channels-last", "strided", "permuted"};
  return names[static_cast<int>(form)];
}

std::string describe(const OpCase& row) {
  std::string text = row.op;
  for (const OpInput& input : row.inputs) text += message(" ", input.name, " ", input.shape);
  for (const auto& [name, value] : row.attributes.entries()) text += message(" ", name, " ", value);
  return text;
}

std::optional<Tensors> arrange(const Tensors& inputs, Form form) {
  if (form == Form::contiguous) return inputs;
  Tensors out;
  bool changed = false;
  for (const Tensor& x : inputs) {
    const bool usable = x.elements() > 0 && x.rank() >= (form == Form::strided ? 1 : 2) &&
                        (form != Form::channels_last || x.rank() == 4);
    changed = changed || usable;
    if (!usable) {
      out.push_back(x);
    } else if (form == Form::channels_last) {
      out.push_back(x.to(MemoryFormat::channels_last));
    } else if (form == Form::permuted) {
      out.push_back(x.transpose().contiguous().transpose());
    } else {
      Shape wide = x.shape();
      wide[x.rank() - 1] *= 2;
      const Tensor view = zeros(wide, {.dtype = x.dtype(), .device = x.device()}).slice(-1, 0, wide.back(), 2);
      copy_forward(x, view);
      out.push_back(view);
    }
  }
  if (!changed) return std::nullopt;
  return out;
}

bool accepts(const OpCase& row, DType dtype) {
  return std::find(row.dtypes.begin(), row.dtypes.end(), dtype) != row.dtypes.end();
}

bool wants_gradient(const OpCase& row, std::size_t i) {
  return row.inputs[i].gradient && (!row.inputs[i].dtype || is_floating(*row.inputs[i].dtype));
}

Complaint check_forward(const OpCase& row, DType dtype, Form form, Device device) {
  const Tensors inputs = make_inputs(row, dtype);
  const auto arranged = arrange(inputs, form);
  if (!arranged) return {};
  const Array& wanted = reference_of(row, dtype, inputs);
  const NoGrad guard;
  const Tensor y = row.run(moved(*arranged, device), row.attributes);
  if (y.shape() != wanted.shape)
    return said(row, dtype, form, "result", message("has shape ", y.shape(), ", wanted ", wanted.shape));
  const double allowed = row.tolerance * epsilon(y.dtype()) * std::sqrt(std::max(1.0, row.reduction));
  return said(row, dtype, form, "result", compare(y.to_vector(), wanted.values, allowed));
}

Complaint check_gradient(const OpCase& row, Device device) {
  if (!any_gradient(row) || !accepts(row, DType::f64)) return {};
  const Tensors inputs = make_inputs(row, DType::f64);
  const Outcome outcome = run_with_gradients(row, moved(inputs, device));
  double analytic = 0, size = 1;
  std::vector<std::vector<double>> directions;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::vector<double>& direction = directions.emplace_back(numbers(inputs[i].elements(), 100 + i));
    if (!wants_gradient(row, i) || !outcome.gradients[i].defined()) continue;
    const std::vector<double> dx = outcome.gradients[i].to_vector();
    for (std::size_t k = 0; k < dx.size(); ++k) {
      analytic += dx[k] * direction[k];
      size += std::fabs(dx[k] * direction[k]);
    }
  }
  // Of many elements one may lie so near to a kink that a step passes it; a smaller one hardly does.
  double numeric = 0;
  for (const double step : {1e-6, 1e-8}) {
    numeric = central_difference(row, inputs, directions, step, device);
    if (std::fabs(numeric - analytic) <= 1e-6 * size) break;
  }
  if (!(std::fabs(numeric - analytic) <= 1e-6 * size))
    return said(row, DType::f64, Form::contiguous, "gradient",
                message("along a direction is ", analytic, ", the central difference ", numeric));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!wants_gradient(row, i)) continue;
    Tensors wanted(inputs.size());
    wanted[i] = outcome.gradients[i];
    const Outcome alone = run_with_gradients(row, moved(inputs, device), int(i));
    const Complaint text = compare_gradients(alone.gradients, wanted, gradient_allowance(row, DType::f64));
    if (!text.empty()) return said(row, DType::f64, Form::contiguous, "gradient asked for alone", text);
  }
  return {};
}

Complaint check_gradient_like_f64(const OpCase& row, DType dtype, Form form, Device device) {
  if (!any_gradient(row)) return {};
  const Tensors inputs = make_inputs(row, dtype);
  const auto arranged = arrange(inputs, form);
  if (!arranged) return {};
  // The cotangent is rounded to the result's dtype, so the reference run takes f64 inputs but that cotangent: its own
  // rounding of dy is within the allowance.
  const Outcome wanted = run_with_gradients(row, moved(converted(row, inputs, DType::f64), device));
  const Outcome got = run_with_gradients(row, moved(*arranged, device));
  return said(row, dtype, form, "gradient",
              compare_gradients(got.gradients, wanted.gradients, gradient_allowance(row, dtype)));
}

Complaint check_threads(const OpCase& row, DType dtype) {
  const Tensors inputs = make_inputs(row, dtype);
  const int before = threads();
  set_threads(1);
  const Outcome one = run_with_gradients(row, inputs);
  set_threads(2);
  const Outcome two = run_with_gradients(row, inputs);
  set_threads(before);
  bool same = same_bits(one.y, two.y);
  for (std::size_t i = 0; i < inputs.size(); ++i) same = same && same_bits(one.gradients[i], two.gradients[i]);
  return said(row, dtype, Form::contiguous, "result or gradient", same ? "" : "differs between 1 and 2 threads");
}

std::vector<Candidates> candidates_of(const OpCase& row, DType dtype, Device device) {
  const Tensors inputs = moved(make_inputs(row, dtype), device);
  Listener listener;
  run_with_gradients(row, inputs);
  std::vector<Candidates> out;
  for (const KernelSlotBase* slot : kernel_slots())
    if (std::find(listener.slots.begin(), listener.slots.end(), slot->name()) != listener.slots.end())
      out.push_back({slot->name(), slot->candidates(device.kind)});
  return out;
}

Complaint check_candidates(const OpCase& row, DType dtype, Form form, Device device) {
  for (const Candidates& slot : candidates_of(row, dtype, device)) {
    for (std::size_t i = 0; slot.names.size() > 1 && i < slot.names.size(); ++i) {
      const Forced forced(slot.slot, slot.names[i]);
      try {
        for (const Complaint& text :
             {check_forward(row, dtype, form, device), check_gradient_like_f64(row, dtype, form, device)})
          if (!text.empty()) return message(slot.names[i], " of ", slot.slot, ": ", text);
      } catch (const Error& error) {
        // A forced candidate may refuse; that is its right.
        const std::string_view text = error.what();
        if (!text.starts_with(slot.slot) || text.find("refuses") == text.npos) throw;
      }
    }
  }
  return {};
}

std::vector<Complaint> check_row(const OpCase& row, Device device) {
  std::vector<Complaint> out;
  const auto keep = [&](auto&& check) {
    Complaint text;
    try {
      text = check();
    } catch (const std::exception& error) {
      text = message(describe(row), ": ", error.what());
    }
    if (!text.empty()) out.push_back(std::move(text));
  };
  for (const DType dtype : row.dtypes) {
    for (const Form form : kForms) {
      keep([&] { return check_forward(row, dtype, form, device); });
      if (is_floating(dtype)) keep([&] { return check_gradient_like_f64(row, dtype, form, device); });
    }
    keep([&] { return check_candidates(row, dtype, Form::contiguous, device); });
    keep([&] { return check_candidates(row, dtype, Form::channels_last, device); });
    if (device.kind == DeviceKind::cpu) keep([&] { return check_threads(row, dtype); });
  }
  keep([&] { return check_gradient(row, device); });
  return out;
}

}  // namespace weft::tools
