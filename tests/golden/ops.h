// What tests/golden/files/ops.json (made by tests/golden/ops.py with PyTorch) asks of an op: its inputs, its options
// and its results in f64. check_ops holds a device to it: in f64 against PyTorch, and in the other dtypes against the
// f64 of the same inputs, which every dtype holds exactly, so that only the rounding of results is left.
#pragma once

#include <limits>
#include <map>
#include <set>

#include "core/error.h"
#include "core/kernel_slot.h"
#include "core/ops/batch_norm.h"
#include "core/ops/conv2d.h"
#include "core/ops/copy.h"
#include "core/ops/elementwise.h"
#include "core/ops/group_norm.h"
#include "core/ops/layer_norm.h"
#include "core/ops/local_response_norm.h"
#include "core/ops/matmul.h"
#include "core/ops/pad.h"
#include "core/ops/pool2d.h"
#include "tests/golden/drawn.h"

namespace weft::golden {

using nlohmann::json;
using Named = std::map<std::string, Tensor>;

// A number, null for NaN, or an infinity in words.
inline double number(const json& value) {
  if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (value.is_number()) return value.get<double>();
  const double infinity = std::numeric_limits<double>::infinity();
  return value == "inf" ? infinity : -infinity;
}

// Element i is low + step * floor(count * u), u in [0, 1) drawn for the label; then the elements of `at`.
inline Tensor given(const std::string& label, const Shape& shape, double low, double step, double count,
                    const json& at = json::array()) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < shape.elements(); ++i)
    values.push_back(low + step * std::floor(count * (drawn(digest(label), i) + 1) / 2));
  for (const json& entry : at) values[entry[0].get<std::size_t>()] = number(entry[1]);
  return tensor(shape, values, {.dtype = DType::f64});
}

inline Tensor or_none(const Named& in, const std::string& name) {
  const auto found = in.find(name);
  return found == in.end() ? Tensor() : found->second;
}
inline Pair pair(const json& value) { return {value[0].get<int>(), value[1].get<int>()}; }
inline Pool2dOptions pool_options(const json& o) {
  return {.kernel = pair(o["kernel"]),
          .stride = pair(o["stride"]),
          .padding = pair(o["padding"]),
          .count_include_pad = o.value("count_include_pad", true),
          .ceil_mode = o["ceil_mode"].get<bool>()};
}
inline Tensor padded(const Named& in, const json& o) {
  std::vector<Border> borders;
  for (const json& border : o["borders"]) borders.push_back({border[0].get<int>(), border[1].get<int>()});
  return pad(in.at("x"), borders, number(o["value"]));
}
inline Tensor response_normed(const Named& in, const json& o) {
  return local_response_norm(in.at("x"),
                             {.size = o["size"].get<int>(), .alpha = o["alpha"], .beta = o["beta"], .k = o["k"]});
}
inline Tensor convolved(const Named& in, const json& o) {
  return conv2d_bias_relu(
      in.at("x"), in.at("weight"), in.at("bias"),
      {.stride = pair(o["stride"]), .padding = pair(o["padding"]), .groups = o["groups"].get<int>()});
}

using BatchNorm = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, const RunningStatistics&, BatchNormOptions,
                             const BatchStatistics&, const Tensor&);
template <typename Op>
Tensor batch_normed(const Named& in, const json& o, Op op) {
  const MovingVariance moving =
      o.value("moving", "unbiased") == "biased" ? MovingVariance::biased : MovingVariance::unbiased;
  return op(or_none(in, "weight"), or_none(in, "bias"),
            RunningStatistics{or_none(in, "running_mean"), or_none(in, "running_var")},
            BatchNormOptions{.training = o["training"].get<bool>(),
                             .momentum = o.value("momentum", 0.1),
                             .eps = o["eps"].get<double>(),
                             .moving = moving});
}
template <BatchNorm op>
Tensor batch_norm_of(const Named& in, const json& o) {
  return batch_normed(in, o, [&](const auto&... rest) { return op(in.at("x"), rest..., {}, {}); });
}
inline Tensor batch_norm_of_sum(const Named& in, const json& o) {
  return batch_normed(in, o,
                      [&](const auto&... rest) { return batch_norm_add_relu(in.at("x"), in.at("addend"), rest...); });
}

// The op of that name.
inline Tensor run_op(const std::string& op, const Named& in, const json& options) {
  using Run = Tensor (*)(const Named& in, const json& o);
  static const std::map<std::string, Run> ops = {
      {"max_pool2d", [](const Named& in, const json& o) { return max_pool2d(in.at("x"), pool_options(o)); }},
      {"avg_pool2d", [](const Named& in, const json& o) { return avg_pool2d(in.at("x"), pool_options(o)); }},
      {"adaptive_avg_pool2d",
       [](const Named& in, const json& o) { return adaptive_avg_pool2d(in.at("x"), pair(o["out"])); }},
      {"global_avg_pool2d", [](const Named& in, const json&) { return global_avg_pool2d(in.at("x")); }},
      {"pad", padded},
      {"gelu", [](const Named& in, const json&) { return gelu(in.at("x")); }},
      {"gelu_tanh", [](const Named& in, const json&) { return gelu(in.at("x"), Gelu::tanh); }},
      {"silu", [](const Named& in, const json&) { return silu(in.at("x")); }},
      {"softplus", [](const Named& in, const json& o) { return softplus(in.at("x"), o["beta"], o["threshold"]); }},
      {"hardswish", [](const Named& in, const json&) { return hardswish(in.at("x")); }},
      {"relu", [](const Named& in, const json&) { return relu(in.at("x")); }},
      {"add_relu", [](const Named& in, const json&) { return add_relu(in.at("x"), in.at("addend")); }},
      {"linear_relu",
       [](const Named& in, const json&) { return linear_relu(in.at("x"), in.at("weight"), or_none(in, "bias")); }},
      {"conv2d_bias_relu", convolved},
      {"local_response_norm", response_normed},
      {"layer_norm",
       [](const Named& in, const json& o) {
         return layer_norm(in.at("x"), or_none(in, "weight"), or_none(in, "bias"),
                           {.axes = o["axes"].get<int>(), .eps = o["eps"]});
       }},
      {"group_norm",
       [](const Named& in, const json& o) {
         return group_norm(in.at("x"), or_none(in, "weight"), or_none(in, "bias"),
                           {.groups = o["groups"], .eps = o["eps"]});
       }},
      {"batch_norm", batch_norm_of<batch_norm>},
      {"batch_norm_relu", batch_norm_of<batch_norm_relu>},
      {"batch_norm_add_relu", batch_norm_of_sum}};
  return ops.at(op)(in, options);
}

// The slots that were called while it lives, and whether one was computed by Winograd's algorithm.
class Calls final : public KernelObserver {
 public:
  std::set<std::string> slots;
  bool winograd = false;
  void called(const KernelCall& call) override {
    slots.emplace(call.slot);
    winograd = winograd || call.candidate.ends_with("winograd");
  }
};

struct Form {
  DType dtype;
  MemoryFormat format;
  Device device;
};
struct Outcome {
  Named results;  // y, running statistics, and dx, dweight … for the inputs
  std::set<std::string> slots;
  bool spreads;  // Note [NaN in a tile]
};

// An entry's op, forward and backward.
inline Outcome run(const json& entry, const std::string& label, const Form& form) {
  Named in;
  for (const json& spec : entry["inputs"]) {
    const std::string name = spec["name"];
    Shape shape;
    for (const std::int64_t size : spec["shape"]) shape.push_back(size);
    const Tensor x =
        given(label + " " + name, shape, spec["low"], spec["step"], spec["count"], spec.value("at", json::array()));
    const bool number_per_channel = name.starts_with("running") && form.dtype != DType::f64;
    Tensor leaf = x.to(number_per_channel ? DType::f32 : form.dtype);
    if (shape.rank() == 4 && name != "weight") leaf = leaf.to(form.format);
    leaf = leaf.to(form.device);
    in[name] = name.starts_with("running") ? leaf : leaf.detach().set_requires_grad();
  }
  Calls calls;
  const Tensor y = run_op(entry["op"], in, entry["options"]);
  y.backward(given(label + " dy", y.shape(), -2, 1 / 32.0, 128).to(form.dtype).to(form.device));
  Outcome out{{{"y", y.detach()}}, calls.slots, calls.winograd};
  for (const auto& [name, x] : in)
    name.starts_with("running") ? out.results[name] = x : out.results["d" + name] = x.grad();
  return out;
}

// How far a result may be from what it should be: `absolute`, and `relative` to the element.
struct Allowance {
  double absolute, relative;
  bool more_nan;
};
inline std::string compare(double got, double wanted, const Allowance& allowed) {
  if (std::isnan(got) && (std::isnan(wanted) || allowed.more_nan)) return {};
  if (got == wanted) return {};
  const double error = std::fabs(got - wanted), bound = allowed.absolute + allowed.relative * std::fabs(wanted);
  if (error <= bound && std::isfinite(wanted)) return {};
  return message("is ", got, ", wanted ", wanted, " (off by ", error, ", allowed ", bound, ")");
}

inline double largest(const std::vector<double>& values) {
  double out = 1;
  for (const double v : values) out = std::isfinite(v) ? std::max(out, std::fabs(v)) : out;
  return out;
}

// A result in f64 against PyTorch's: elements, NaN, norm, and the component along a drawn direction.
inline std::string compare_with_pytorch(const Tensor& x, const json& wanted, const std::string& label, double share) {
  const std::vector<double> values = x.to_vector();
  const auto step = wanted["step"].get<std::size_t>();
  const Allowance allowed{share * largest(values), 0, false};
  double square = 0, along = 0;
  const std::string nan = wanted.value("nan", "");
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t digit = i / 4;
    const int bits = digit < nan.size() ? std::stoi(nan.substr(nan.size() - 1 - digit, 1), nullptr, 16) : 0;
    if (std::isnan(values[i]) != ((bits >> i % 4 & 1) != 0)) return message("element ", i, " is ", values[i]);
    if (i % step == 0) {
      const json& listed = wanted["values"];
      if (i / step >= listed.size()) return "has more elements";
      const std::string text = compare(values[i], number(listed[i / step]), allowed);
      if (!text.empty()) return message("element ", i, " ", text);
    }
    if (!std::isfinite(values[i])) continue;
    square += values[i] * values[i];
    along += values[i] * drawn(digest(label), static_cast<std::int64_t>(i));
  }
  const double n = static_cast<double>(values.size());
  const Allowance sums{allowed.absolute * std::sqrt(n), 0, false};
  if ((values.size() + step - 1) / step != wanted["values"].size()) return "has fewer elements";
  if (const std::string text = compare(std::sqrt(square), wanted["norm"], sums); !text.empty()) return "norm " + text;
  return compare(along, wanted["along"], sums);
}

// Arithmetic is f32's, and a 16-bit result is rounded once more: to half a unit in its last place, or of the smallest
// number.
inline Allowance allowance(DType dtype, double condition, double scale, bool spreads) {
  const double absolute = 8 * 0x1p-24 * condition * scale;
  if (dtype == DType::f16) return {absolute + 0x1p-25, 0x1p-11, spreads};
  return {absolute, dtype == DType::bf16 ? 0x1p-8 : 0, spreads};
}

inline std::int64_t count_nan(const Tensor& x) {
  return std::ranges::count_if(x.to_vector(), [](double v) { return std::isnan(v); });
}

inline std::string compare_with_f64(const Outcome& found, const Named& reference, double condition) {
  // Where y has more NaN, so has the mask of its ReLU more elements that pass: gradients are others then.
  const bool y_alone = found.spreads && count_nan(found.results.at("y")) > count_nan(reference.at("y"));
  for (const auto& [name, x] : found.results) {
    if (y_alone && name != "y") continue;
    const std::vector<double> got = x.to_vector(), wanted = reference.at(name).to_vector();
    if (got.size() != wanted.size()) return message(name, " has ", got.size(), " elements");
    const Allowance allowed = allowance(x.dtype(), condition, largest(wanted), found.spreads);
    for (std::size_t i = 0; i < got.size(); ++i)
      if (const std::string text = compare(got[i], wanted[i], allowed); !text.empty())
        return message(name, "[", i, "] ", text);
  }
  return {};
}

// Each candidate of each slot that the outcome used, forced in turn; those that refuse are passed over.
inline std::string check_candidates(const json& entry, const std::string& label, const Form& form,
                                    const Outcome& outcome, const Named& reference, double condition) {
  for (const KernelSlotBase* slot : kernel_slots()) {
    const std::vector<std::string> names = slot->candidates(form.device.kind);
    if (names.size() < 2 || !outcome.slots.contains(slot->name())) continue;
    for (const std::string& name : names) {
      force_kernel(slot->name(), name);
      std::string text;
      try {
        text = compare_with_f64(run(entry, label, form), reference, condition);
      } catch (const Error& error) {
        if (std::string_view(error.what()).find("refuses") == std::string_view::npos) text = error.what();
      }
      force_kernel(slot->name(), "");
      if (!text.empty()) return message(name, " of ", slot->name(), ": ", text);
    }
  }
  return {};
}

// Note [NaN in a tile]: Winograd's algorithm mixes the pixels of a tile, so a NaN may come out all over the tiles that
// saw it; nowhere else, and never less. All other candidates have NaN where PyTorch has it.
inline std::string check_op(const json& entry, const std::string& label, Device device) {
  const double condition = entry["condition"];
  const bool images = entry["inputs"][0]["shape"].size() == 4;
  for (const MemoryFormat format : {MemoryFormat::contiguous, MemoryFormat::channels_last}) {
    if (format == MemoryFormat::channels_last && !images) continue;
    const Outcome exact = run(entry, label, {DType::f64, format, device});
    for (const auto& [name, wanted] : entry["results"].items()) {
      const std::string text =
          compare_with_pytorch(exact.results.at(name), wanted, label + " along " + name, 1e-12 * condition);
      if (!text.empty()) return message(format, " f64 ", name, " ", text);
    }
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
      const Form form{dtype, format, device};
      const Outcome found = run(entry, label, form);
      std::string text = compare_with_f64(found, exact.results, condition);
      if (text.empty() && entry["results"]["y"].contains("nan"))
        text = check_candidates(entry, label, form, found, exact.results, condition);
      if (!text.empty()) return message(format, " ", dtype, " ", text);
    }
  }
  return {};
}

inline void check_ops(Device device) {
  const json entries = file("ops.json");
  REQUIRE(entries.size() > 150);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::string label = message(i, " ", entries[i]["op"].get<std::string>());
    INFO(label << ' ' << entries[i]["options"].dump() << ' ' << entries[i]["inputs"].dump());
    CHECK(check_op(entries[i], label, device) == "");
  }
}

}  // namespace weft::golden
