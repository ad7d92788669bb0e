#include "nn/module.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <typeinfo>
#include <unordered_set>

#include "core/autograd.h"
#include "core/ops/copy.h"
#include "core/profile.h"

namespace weft::nn {
namespace {

thread_local LayerObserver* observer = nullptr;

// Walks everything below a module and calls back with full names.
struct TreeWalk final : Visitor {
  std::function<void(const std::string& name, Tensor& tensor)> on_parameter, on_buffer, on_optional;
  std::function<void(const std::string& name, Module& module)> on_module;
  std::string prefix;

  std::string full_name(std::string_view name) const { return prefix + std::string(name); }
  void parameter(std::string_view name, Tensor& tensor) override {
    if (on_parameter) on_parameter(full_name(name), tensor);
  }
  void buffer(std::string_view name, Tensor& tensor) override {
    if (on_buffer) on_buffer(full_name(name), tensor);
  }
  void optional_buffer(std::string_view name, Tensor& tensor) override {
    if (on_optional) on_optional(full_name(name), tensor);
    buffer(name, tensor);
  }
  void module(std::string_view name, Module& module) override {
    // A module without a name stands under its owner's, and its parts are its owner's.
    const std::string path = name.empty() ? prefix.substr(0, prefix.size() - !prefix.empty()) : full_name(name);
    if (on_module) on_module(path, module);
    const std::string outer = std::exchange(prefix, path.empty() ? "" : path + ".");
    module.members(*this);
    prefix = outer;
  }
};

template <typename OnTensor>
void for_each_parameter(Module& root, OnTensor on_tensor) {
  TreeWalk walk;
  walk.on_parameter = on_tensor;
  root.members(walk);
}
template <typename OnTensor>
void for_each_tensor(Module& root, OnTensor on_tensor) {
  TreeWalk walk;
  walk.on_parameter = walk.on_buffer = on_tensor;
  root.members(walk);
}

// Gives x the data of a converted copy while every handle on x stays valid, so that an arena notices.
template <typename Convert>
void convert_in_place(Tensor& x, Convert convert) {
  const Tensor converted = convert(x.detach());
  if (converted.storage() != x.storage()) set_data(x, converted);
}

void indent_module(Module& module, const std::string& name, int depth, std::string& out);

// Prints the parts of one module, one a line.
struct PartPrinter final : Visitor {
  PartPrinter(int depth, std::string& out) : depth_(depth), out_(out) {}
  void parameter(std::string_view, Tensor&) override {}
  void buffer(std::string_view, Tensor&) override {}
  void module(std::string_view name, Module& module) override {
    any_ = true;
    out_ += "\n";
    indent_module(module, std::string(name), depth_ + 1, out_);
  }
  bool any() const { return any_; }

 private:
  int depth_;
  std::string& out_;
  bool any_ = false;
};

void indent_module(Module& module, const std::string& name, int depth, std::string& out) {
  const std::string margin(static_cast<std::size_t>(2 * depth), ' ');
  out += margin + (name.empty() ? "" : "(" + name + "): ") + module.type() + "(" + module.options();
  PartPrinter parts(depth, out);
  module.members(parts);
  out += parts.any() ? "\n" + margin + ")" : ")";
}

std::string list(const char* title, const std::vector<std::string>& names) {
  std::string out = std::string(title) + ": ";
  if (names.empty()) return out + "none";
  for (std::size_t i = 0; i < names.size(); ++i) out += (i ? ", " : "") + names[i];
  return out;
}

}  // namespace

Visitor::~Visitor() = default;
Module::~Module() = default;

std::string to_string(const LoadReport& report) {
  return list("missing", report.missing) + "; " + list("unexpected", report.unexpected) + "; " +
         list("mismatched", report.mismatched);
}

template <typename Body>
Tensor Module::run(const Tensor& x, Body&& body) {
  if (!layer_) [[unlikely]]
    name_layers();
  const LayerScope layer(layer_);
  const ProfileRange range(Phase::forward, layer_);
  try {
    if (!observer) [[likely]]
      return body();
    for (LayerObserver* o = observer; o; o = o->outer_) o->entered(*this, x);
    Tensor y = body();
    for (LayerObserver* o = observer; o; o = o->outer_) o->left(*this, y);
    return y;
  } catch (const Error& error) {
    const bool net = layer_ == interned(type());  // called by the user, who knows what was called
    if (error.kind() != ErrorKind::usage || net) throw;
    throw error.in_layer(layer_);
  }
}

Tensor Module::operator()(const Tensor& x) {
  return run(x, [&] { return forward(x); });
}
Tensor Module::operator()(const Tensor& x, const Tensor& out) {
  return run(x, [&] { return forward_into(x, out); });
}
Tensor Module::forward_into(const Tensor& x, const Tensor&) { return forward(x); }
std::optional<Shape> Module::output_shape(const Shape&) { return std::nullopt; }
Tensor Module::room_for_input(const Shape&, const Tensor&) { return {}; }
Tensor Module::call(const Tensor& x, const std::function<Tensor()>& body) { return run(x, body); }

// Gives this module, which was called first of its net, and all below it their names.
void Module::name_layers() {
  for_each_module(*this, [](const std::string& path, Module& module) {
    module.layer_ = interned(path.empty() ? module.type() : path);
  });
}

void Module::members(Visitor&) {}

std::string Module::type() const {
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(typeid(*this).name(), nullptr, nullptr, nullptr), std::free);
  std::string name = text ? text.get() : typeid(*this).name();
  name = name.substr(0, name.find('<'));
  const auto colon = name.rfind("::");
  return colon == std::string::npos ? name : name.substr(colon + 2);
}

std::string Module::options() const { return {}; }

NamedTensors Module::named_parameters() {
  NamedTensors out;
  std::unordered_set<const TensorBody*> seen;
  for_each_parameter(*this, [&](const std::string& name, Tensor& tensor) {
    if (seen.insert(tensor.body()).second) out.push_back({name, tensor});
  });
  return out;
}

Tensors Module::parameters() {
  Tensors out;
  for (NamedTensor& entry : named_parameters()) out.push_back(std::move(entry.tensor));
  return out;
}

NamedTensors Module::named_buffers() {
  NamedTensors out;
  TreeWalk walk;
  walk.on_buffer = [&](const std::string& name, Tensor& tensor) { out.push_back({name, tensor}); };
  members(walk);
  return out;
}

NamedTensors Module::state() {
  NamedTensors out;
  for_each_tensor(*this, [&](const std::string& name, Tensor& tensor) { out.push_back({name, tensor}); });
  return out;
}

LoadReport Module::load(const NamedTensors& given, bool strict) {
  LoadReport report;
  std::map<std::string_view, const Tensor*> by_name;
  for (const NamedTensor& entry : given) by_name[entry.name] = &entry.tensor;
  std::set<std::string> optional;
  TreeWalk walk;
  walk.on_optional = [&](const std::string& name, Tensor&) { optional.insert(name); };
  members(walk);
  std::vector<std::pair<Tensor, const Tensor*>> copies;
  for (const NamedTensor& mine : state()) {
    const auto found = by_name.find(mine.name);
    if (found == by_name.end()) {
      if (!optional.contains(mine.name)) report.missing.push_back(mine.name);
      continue;
    }
    if (found->second->shape() == mine.tensor.shape())
      copies.emplace_back(mine.tensor, found->second);
    else
      report.mismatched.push_back(
          message(mine.name, ": ", mine.tensor.shape(), " here, ", found->second->shape(), " given"));
    by_name.erase(found);
  }
  for (const NamedTensor& entry : given)
    if (by_name.contains(entry.name)) report.unexpected.push_back(entry.name);
  require(!strict || report.complete(), "load", "weights do not fit the net; ", report);
  for (const auto& [mine, theirs] : copies) copy_(mine.detach(), theirs->detach().to(mine.device()));
  return report;
}

std::int64_t Module::parameter_count() {
  std::int64_t count = 0;
  for (const Tensor& parameter : parameters()) count += parameter.elements();
  return count;
}

void Module::train(bool on) {
  for_each_module(*this, [on](const std::string&, Module& module) { module.training_ = on; });
}

void Module::set_requires_grad(bool wanted) {
  for_each_parameter(*this, [wanted](const std::string&, Tensor& tensor) { tensor.set_requires_grad(wanted); });
}

void Module::to(Device device) {
  for_each_tensor(*this, [device](const std::string&, Tensor& tensor) {
    convert_in_place(tensor, [device](const Tensor& x) { return x.to(device); });
  });
}

void Module::to(DType dtype) {
  require(is_floating(dtype), "module.to", "needs a floating dtype, got ", dtype);
  for_each_tensor(*this, [dtype](const std::string&, Tensor& tensor) {
    if (is_floating(tensor.dtype())) convert_in_place(tensor, [dtype](const Tensor& x) { return x.to(dtype); });
  });
}

void Module::zero_grad() {
  for_each_parameter(*this, [](const std::string&, Tensor& tensor) { tensor.zero_grad(); });
}

std::string to_string(Module& module) {
  std::string out;
  indent_module(module, "", 0, out);
  return out;
}

void for_each_module(Module& root, const std::function<void(const std::string& path, Module& module)>& visit) {
  visit("", root);
  TreeWalk walk;
  walk.on_module = visit;
  root.members(walk);
}

EvaluationMode::EvaluationMode(Module& net) : net_(net) {
  for_each_module(net, [&](const std::string&, Module& module) { modes_.push_back(module.training()); });
  net.eval();
}

EvaluationMode::~EvaluationMode() {
  // Parents come first, so that each module's own mode is written after its parents'.
  std::size_t i = 0;
  for_each_module(net_, [&](const std::string&, Module& module) { module.train(modes_[i++]); });
}

LayerObserver::LayerObserver() : outer_(std::exchange(observer, this)) {}
LayerObserver::~LayerObserver() { observer = outer_; }

}  // namespace weft::nn
