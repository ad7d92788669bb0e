#include "tools/op_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <list>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>

#include "core/autograd.h"
#include "core/npy.h"
#include "core/ops/random.h"
#include "core/runtime/runtime.h"
#include "core/suggest.h"
#include "tools/op_check.h"
#include "tools/op_random.h"

namespace weft::tools {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

std::vector<std::string> op_names() {
  std::vector<std::string> names;
  for (const OpCase& row : op_cases())
    if (names.empty() || names.back() != row.op) names.push_back(row.op);
  return names;
}

std::string inputs_text(const OpCase& row) {
  std::string text;
  for (const OpInput& input : row.inputs) text += (text.empty() ? "" : ", ") + input.name;
  return text;
}
bool has_attribute(const OpCase& row, const std::string& name) {
  return std::any_of(row.attributes.entries().begin(), row.attributes.entries().end(),
                     [&](const Attributes::Entry& entry) { return entry.first == name; });
}
// Inputs and attribute names: rows of an op that agree in them differ in numbers only.
std::string signature(const OpCase& row) {
  std::string text = inputs_text(row);
  for (const auto& [name, value] : row.attributes.entries()) text += (text.find(';') == text.npos ? "; " : ", ") + name;
  return "(" + text + ")";
}

// The first row of the op that takes so many inputs and those attributes.
const OpCase& find_row(const OpRequest& request) {
  const std::size_t given = std::max(request.inputs.size(), request.shapes.size());
  const OpCase* found = nullptr;
  std::string signatures;
  for (const OpCase& row : op_cases()) {
    if (row.op != request.op) continue;
    if (signatures.find(signature(row)) == signatures.npos)
      signatures += (signatures.empty() ? "" : " or ") + signature(row);
    bool fits = given == 0 || given == row.inputs.size() || (request.inputs.empty() && given == 1);
    for (const auto& attribute : request.attributes) fits = fits && has_attribute(row, attribute.first);
    if (fits && !found) found = &row;
  }
  if (signatures.empty()) {
    const std::string near = nearest_name(request.op, op_names());
    fail(ErrorKind::usage, "op", "there is none named '", request.op, "'; ",
         near.empty() ? "weft op --list names all" : message("did you mean '", near, "'?"));
  }
  require(found != nullptr, request.op, "takes ", signatures, ", got ", given, " inputs",
          request.attributes.empty() ? "" : " and the attributes given");
  return *found;
}

// The row with other shapes. A bound of indices that was a size of the first input stays that size.
OpCase reshaped(OpCase row, const std::vector<Shape>& shapes) {
  if (shapes.empty()) return row;
  const Shape before = row.inputs[0].shape;
  for (std::size_t i = 0; i < row.inputs.size(); ++i) row.inputs[i].shape = shapes[shapes.size() == 1 ? 0 : i];
  for (OpInput& input : row.inputs)
    for (int axis = before.rank() - 1; input.integers && axis >= 0; --axis) {
      if (double(before[axis]) != input.high || axis >= row.inputs[0].shape.rank()) continue;
      input.high = double(row.inputs[0].shape[axis]);
      break;
    }
  return row;
}

// Random inputs. Large ones are drawn where they are needed: a GPU takes less time for it than the host.
Tensors random_inputs(const OpCase& row, DType dtype, Device device) {
  constexpr std::int64_t large = std::int64_t{1} << 20;
  std::int64_t elements = 0;
  bool drawable = true;
  for (const OpInput& input : row.inputs) {
    elements += input.shape.elements();
    drawable = drawable && !input.integers && !input.dtype;
  }
  if (elements < large || !drawable) return make_inputs(row, dtype);
  Tensors inputs;
  for (const OpInput& input : row.inputs) {
    inputs.push_back(empty(input.shape, {.dtype = dtype, .device = device}));
    uniform_(inputs.back(), input.low, input.high, {0, inputs.size()});
  }
  return inputs;
}

Tensors load_inputs(const OpRequest& request, const OpCase& row) {
  Tensors inputs;
  if (request.inputs.empty()) {
    inputs = random_inputs(reshaped(row, request.shapes), request.dtype.value_or(DType::f32), request.device);
  } else {
    for (const std::string& path : request.inputs) {
      const Tensor x = read_npy(path);
      inputs.push_back(request.dtype && is_floating(x.dtype()) ? x.to(*request.dtype) : x);
    }
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Tensor& x = inputs[i];
    // Weights of a convolution stay as parameters are kept; images take the format.
    if (x.rank() == 4 && row.inputs[i].name != "weight") x = x.to(request.format);
    x = x.to(request.device);
  }
  return inputs;
}

// Hears of kernels until it goes.
class Recorder final : public KernelObserver {
 public:
  explicit Recorder(std::vector<OpKernel>& calls) : calls_(calls) {}
  void called(const KernelCall& call) override {
    calls_.push_back({std::string(call.slot), std::string(call.candidate), call.cost});
  }

 private:
  std::vector<OpKernel>& calls_;
};

// Forces "slot=candidate", or a candidate by its name in every slot that has one of that name.
class Forced {
 public:
  Forced(const std::string& kernel, DeviceKind kind) {
    if (kernel.empty()) return;
    const std::size_t equals = kernel.find('=');
    if (equals != kernel.npos) {
      force(kernel.substr(0, equals), kernel.substr(equals + 1));
      return;
    }
    for (const KernelSlotBase* slot : kernel_slots())
      for (const std::string& name : slot->candidates(kind))
        if (name == kernel || name.ends_with("." + kernel)) force(slot->name(), kernel);
    require(!slots_.empty(), "op", "no kernel is named '", kernel, "'; weft op --list names all");
  }
  Forced(const Forced&) = delete;
  Forced& operator=(const Forced&) = delete;
  ~Forced() {
    for (const std::string& slot : slots_) force_kernel(slot, "");
  }

 private:
  void force(const std::string& slot, const std::string& candidate) {
    force_kernel(slot, candidate);
    slots_.push_back(slot);
  }
  std::vector<std::string> slots_;
};

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(values.size() / 2), values.end());
  return values[values.size() / 2];
}

template <typename F>
double waited_ms(Device device, F&& run) {
  synchronize(device);
  const auto begin = Clock::now();
  run();
  synchronize(device);
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// The device's own clock around so many calls in a row: what starting a kernel and waiting for it cost does not count
// as long as the device is kept busy.
template <typename F>
double event_ms(Device device, int calls, F&& run) {
  Runtime& on = runtime(device.kind);
  const Event begin = on.create_event(device.index), end = on.create_event(device.index);
  const Stream stream = on.current_stream(device.index);
  on.record(begin, stream);
  for (int i = 0; i < calls; ++i) run();
  on.record(end, stream);
  synchronize(device);
  const double ms = on.elapsed_ms(begin, end) / calls;
  on.destroy_event(begin);
  on.destroy_event(end);
  return ms;
}

// The median time of one call. On a device calls are queued for about a millisecond and timed together.
template <typename F>
double median_ms(Device device, int repeat, F&& run) {
  std::vector<double> times;
  constexpr double wanted_ms = 1;
  constexpr int most = 100;
  int calls = 1;
  if (device.kind != DeviceKind::cpu)
    calls = int(std::clamp(wanted_ms / std::max(waited_ms(device, run), 1e-3), 1.0, double(most)));
  for (int i = 0; i < repeat; ++i)
    times.push_back(device.kind == DeviceKind::cpu ? waited_ms(device, run) : event_ms(device, calls, run));
  return median(times);
}

Cost total(const std::vector<OpKernel>& calls) {
  Cost sum;
  for (const OpKernel& call : calls) {
    sum.macs += call.cost.macs;
    sum.flops += call.cost.flops;
    sum.bytes += call.cost.bytes;
  }
  return sum;
}

// One way through the op, and its time.
struct Part {
  const char* name;
  const std::vector<OpKernel>& calls;
  double ms;
};
std::vector<Part> parts_of(const OpReport& report) {
  std::vector<Part> parts = {{"forward", report.forward, report.forward_ms}};
  if (!report.backward.empty()) parts.push_back({"backward", report.backward, report.backward_ms});
  return parts;
}
double per_second(double work, double ms) { return ms > 0 ? work / ms * 1e-6 : 0; }  // giga

Json json_of(double value) {
  return value == std::floor(value) && std::fabs(value) < 1e15 ? Json(std::int64_t(value)) : Json(value);
}
Json json_of(const std::string& word) { return word; }
Json json_of(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(json_of(value));
  return list;
}
Json json_of(const Attribute& attribute) {
  return std::visit([](const auto& value) { return json_of(value); }, attribute.value());
}
Json json_of(const Shape& shape) { return std::vector<std::int64_t>(shape.begin(), shape.end()); }

Json report_json(const OpRequest& request, const OpReport& report) {
  Json out = {{"op", request.op},
              {"dtype", to_string(report.y.dtype())},
              {"device", to_string(request.device)},
              {"shape", json_of(report.y.shape())}};
  for (const Part& part : parts_of(report)) {
    const Cost cost = total(part.calls);
    Json kernels = Json::array();
    for (const OpKernel& call : part.calls) kernels.push_back({{"slot", call.slot}, {"candidate", call.candidate}});
    out[part.name] = {{"ms", part.ms},
                      {"gflops", per_second(cost.flops, part.ms)},
                      {"gbytes_per_s", per_second(cost.bytes, part.ms)},
                      {"kernels", std::move(kernels)}};
  }
  return out;
}

Json row_json(const OpCase& row, Device device) {
  Json inputs = Json::array(), attributes = Json::object(), candidates = Json::object();
  for (const OpInput& input : row.inputs) inputs.push_back(input.name);
  for (const auto& [name, value] : row.attributes.entries()) attributes[name] = json_of(value);
  Json out = {{"inputs", std::move(inputs)}, {"attributes", std::move(attributes)}};
  try {
    for (const Candidates& slot : candidates_of(row, row.dtypes.front(), device)) candidates[slot.slot] = slot.names;
  } catch (const Error& error) {  // the others are still worth naming
    out["error"] = error.what();
  }
  out["candidates"] = std::move(candidates);
  return out;
}

void save(const OpRequest& request, const OpReport& report) {
  if (request.output.empty()) return;
  const auto host = [](const Tensor& x) {
    const Tensor y = x.detach().to(Device{}).contiguous();
    return y.dtype() == DType::bf16 ? y.to(DType::f32) : y;
  };
  write_npy(request.output, host(report.y));
  const std::string stem =
      request.output.ends_with(".npy") ? request.output.substr(0, request.output.size() - 4) : request.output;
  for (std::size_t i = 0; i < report.gradients.size(); ++i)
    if (report.gradients[i].defined()) write_npy(stem + ".d" + report.inputs[i] + ".npy", host(report.gradients[i]));
}

}  // namespace

Shape parse_shape(const std::string& text) {
  Shape shape;
  if (text == "scalar") return shape;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('x', begin), text.size());
    const std::string digits = text.substr(begin, end - begin);
    const bool good = !digits.empty() && digits.size() < 16 && digits.find_first_not_of("0123456789") == digits.npos;
    require(good, "shape", "'", text, "' is not like 2x3x4");
    shape.push_back(std::stoll(digits));
    begin = end + 1;
  }
  return shape;
}

OpReport run_op(const OpRequest& request) {
  const OpCase& row = find_row(request);
  Attributes attributes = row.attributes;
  for (const auto& [name, text] : request.attributes) attributes.set(name, text);
  const Tensors inputs = load_inputs(request, row);
  const Forced forced(request.kernel, request.device.kind);
  const bool backward = !request.gradient.empty();

  OpReport report;
  for (const OpInput& input : row.inputs) report.inputs.push_back(input.name);
  for (std::size_t i = 0; backward && i < inputs.size(); ++i)
    if (wants_gradient(row, i) && is_floating(inputs[i].dtype())) inputs[i].set_requires_grad();
  const auto forward = [&] { report.y = row.run(inputs, attributes); };
  {
    const Recorder recorder(report.forward);
    forward();
  }
  Tensor dy;
  const auto run_backward = [&] {
    for (const Tensor& x : inputs) x.zero_grad();
    report.y.backward(dy, true);
  };
  if (backward) {
    require(report.y.requires_grad(), request.op, "has no gradient");
    dy = request.gradient == "ones" ? full(report.y.shape(), 1, {.dtype = report.y.dtype(), .device = request.device})
                                    : read_npy(request.gradient).to(report.y.dtype()).to(request.device);
    const Recorder recorder(report.backward);
    run_backward();
  }
  if (request.repeat > 0) report.forward_ms = median_ms(request.device, request.repeat, forward);
  if (request.repeat > 0 && backward) report.backward_ms = median_ms(request.device, request.repeat, run_backward);
  for (const Tensor& x : inputs) report.gradients.push_back(backward ? x.grad() : Tensor{});
  save(request, report);
  return report;
}

void print_report(std::ostream& out, const OpRequest& request, const OpReport& report, bool json) {
  if (json) {
    out << report_json(request, report).dump() << '\n';
    return;
  }
  out << message(request.op, ": ", report.y.dtype(), " ", report.y.shape(), " on ", request.device) << '\n';
  for (const Part& part : parts_of(report)) {
    const Cost cost = total(part.calls);
    const auto tenths = [](double value) { return std::round(value * 10) / 10; };
    out << message("  ", part.name, " ", std::round(part.ms * 1e4) / 1e4, " ms | ",
                   tenths(per_second(cost.flops, part.ms)), " GFLOP/s | ", tenths(per_second(cost.bytes, part.ms)),
                   " GB/s |");
    for (const OpKernel& call : part.calls) out << ' ' << call.slot << '=' << call.candidate;
    out << '\n';
  }
}

void list_ops(std::ostream& out, Device device, bool json) {
  Json list = Json::array();
  std::set<std::string> seen;
  for (const OpCase& row : op_cases()) {
    if (!seen.insert(row.op + signature(row)).second) continue;
    const bool variant = !list.empty() && list.back()["name"] == row.op;
    Json entry = row_json(row, device);
    if (variant) {
      list.back()["variants"].push_back(std::move(entry));  // the same op on other inputs: a number for a tensor
      continue;
    }
    Json named = {{"name", row.op}};
    named.update(entry);
    list.push_back(std::move(named));
  }
  if (json) {
    out << list.dump() << '\n';
    return;
  }
  for (const Json& entry : list) {
    out << entry["name"].get<std::string>() << ' ' << entry["inputs"].dump() << ' ' << entry["attributes"].dump()
        << '\n';
    for (const auto& [slot, names] : entry["candidates"].items()) out << "    " << slot << ": " << names.dump() << '\n';
  }
}

bool selftest(std::ostream& out, Device device, const std::string& pattern, const std::vector<std::string>& only,
              std::optional<std::uint64_t> random) {
  const std::vector<std::string> names = op_names();
  for (const std::string& name : only)
    require(std::find(names.begin(), names.end(), name) != names.end(), "selftest", "there is no op named '", name,
            "'; weft op --list names all");
  std::size_t named = 0, rows = 0, failures = 0;
  std::list<OpCase> others;  // kept: checks tell rows apart by their addresses
  for (const OpCase& row : op_cases()) {
    if (row.op.find(pattern) == row.op.npos) continue;
    if (!only.empty() && std::find(only.begin(), only.end(), row.op) == only.end()) continue;
    ++named;
    const OpCase* checked = &row;
    if (random) {
      const std::optional<OpCase> other = with_other_sizes(row, *random * op_cases().size() + named);
      if (!other) continue;
      checked = &others.emplace_back(*other);
    }
    ++rows;
    for (const Complaint& text : check_row(*checked, device)) {
      ++failures;
      out << text << std::endl;
    }
  }
  require(named > 0, "selftest", "no op has '", pattern, "' in its name; weft op --list names all");
  const std::string sizes =
      random ? message(" of random sizes (--random ", *random, "; ", named - rows, " allow none)") : "";
  out << message("selftest on ", device, ": ", rows, " rows", sizes, ", ", failures, " failures") << '\n';
  return failures == 0;
}

}  // namespace weft::tools
