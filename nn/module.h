// Module: a part of a net that holds parameters. Modules are plain values that can be moved; one members() list gives
// names, saving, to(), train and eval, counting and printing. Copying is refused: it would share the parameters.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/named_tensor.h"
#include "core/tensor.h"

namespace weft::nn {

class Module;

// Marks a tensor in a members() list as state that is saved but not trained: v("running_mean", buffer(mean_)).
struct Buffer {
  Tensor& tensor;
  bool optional = false;
};
inline Buffer buffer(Tensor& tensor) { return {tensor}; }
// One that a weights file may lack; it then keeps its value.
inline Buffer optional_buffer(Tensor& tensor) { return {tensor, true}; }

// Walks the members of a module: v("conv1", conv1_, "bn1", bn1_, "weight", weight_, "mean", buffer(mean_)). A member is
// a Tensor (a parameter), a buffer(tensor), a Module, a pointer to or optional of one of these, or a range of them,
// which are then named "layers.0", "layers.1", …. The parts of a module named "" have their owner's names. Undefined
// tensors and empty optionals are passed over.
class WEFT_API Visitor {
 public:
  virtual ~Visitor();
  virtual void parameter(std::string_view name, Tensor& tensor) = 0;
  virtual void buffer(std::string_view name, Tensor& tensor) = 0;
  virtual void optional_buffer(std::string_view name, Tensor& tensor) { buffer(name, tensor); }
  virtual void module(std::string_view name, Module& module) = 0;

  template <typename Member, typename... Rest>
  void operator()(std::string_view name, Member&& member, Rest&&... rest) {
    visit(name, member);
    if constexpr (sizeof...(Rest) > 0) (*this)(std::forward<Rest>(rest)...);
  }

 private:
  template <typename Member>
  void visit(std::string_view name, Member& member);
};

// The answer of load(): three lists, empty when everything fits.
struct LoadReport {
  std::vector<std::string> missing;     // in the net, not in the state
  std::vector<std::string> unexpected;  // in the state, not in the net
  std::vector<std::string> mismatched;  // "fc.weight: (10, 512) here, (1000, 512) given"
  bool complete() const { return missing.empty() && unexpected.empty() && mismatched.empty(); }
};
WEFT_API std::string to_string(const LoadReport& report);

class WEFT_API Module {
 public:
  Module() = default;
  Module(Module&&) noexcept = default;
  Module& operator=(Module&&) noexcept = default;
  virtual ~Module();

  // Runs forward(); layer observers hear of the call. An Error(usage) names the layer in which it arose.
  Tensor operator()(const Tensor& x);
  // The same, written to `out` by layers that can: Note [Concat in place] in core/ops/concat.h. An undefined one is no
  // difference.
  Tensor operator()(const Tensor& x, const Tensor& out);
  // The shape of the answer to an x of that shape, where the layer knows it without running. Throws what running would.
  virtual std::optional<Shape> output_shape(const Shape& x);
  // Memory for the input that the next call will come with, of that shape and like `like` otherwise, for modules that
  // join it with more in place; undefined: no wish.
  virtual Tensor room_for_input(const Shape& shape, const Tensor& like);
  // Parameters, buffers and modules in the order of the file.
  virtual void members(Visitor& visitor);
  // The name of the layer's kind in printed nets and summaries; by default that of its class: "Conv2d".
  virtual std::string type() const;
  // Its options in printed nets: "6, 16, kernel = (5, 5)".
  virtual std::string options() const;

  // Distinct parameters, in member order; one that is reached twice is listed once, under its first name.
  Tensors parameters();
  NamedTensors named_parameters();
  NamedTensors named_buffers();
  // Parameters and buffers in member order, under every name they have: what a weights file holds.
  NamedTensors state();
  // Copies values of the same name and shape into this net, on its device and in its dtype. With strict, throws
  // Error(usage) and changes nothing unless names and shapes fit exactly.
  LoadReport load(const NamedTensors& state, bool strict = true);

  std::int64_t parameter_count();
  // Modes of layers such as dropout; a new module is in training mode.
  void train(bool on = true);
  void eval() { train(false); }
  bool training() const { return training_; }
  // Freezes (false) or releases all parameters below this module.
  void set_requires_grad(bool wanted);
  // Moves or converts all parameters and floating buffers in place; gradients are dropped. An optimizer that was built
  // before refuses its next step.
  void to(Device device);
  void to(DType dtype);
  // Forgets all gradients.
  void zero_grad();

 protected:
  virtual Tensor forward(const Tensor& x) = 0;
  // forward(x), in `out` where that is defined and the layer can.
  virtual Tensor forward_into(const Tensor& x, const Tensor& out);
  // Runs body as a call of this module with x: for modules that have other calls than forward().
  Tensor call(const Tensor& x, const std::function<Tensor()>& body);
  // For modules that take in parts after a call: the next call gives all layers their names anew.
  void forget_names() { layer_ = nullptr; }

 private:
  template <typename Body>
  Tensor run(const Tensor& x, Body&& body);
  void name_layers();

  bool training_ = true;
  const char* layer_ = nullptr;  // the path from the net that was called first; kernels and memory are booked to it
};

// The module with its parts, indented, as PyTorch prints it.
WEFT_API std::string to_string(Module& module);

// Calls visit("path.of.module", module) for the module (path "") and all below it, parents first.
WEFT_API void for_each_module(Module& root, const std::function<void(const std::string& path, Module& module)>& visit);

// Puts a net into evaluation mode while it lives; then every module has its own mode again.
class WEFT_API EvaluationMode {
 public:
  explicit EvaluationMode(Module& net);
  ~EvaluationMode();
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;

 private:
  Module& net_;
  std::vector<bool> modes_;
};

// Hears of every module call of this thread while it lives.
class WEFT_API LayerObserver {
 public:
  LayerObserver();
  LayerObserver(const LayerObserver&) = delete;
  LayerObserver& operator=(const LayerObserver&) = delete;
  virtual ~LayerObserver();
  virtual void entered(Module& module, const Tensor& x) = 0;
  virtual void left(Module& module, const Tensor& y) = 0;

 private:
  friend class Module;
  LayerObserver* outer_;
};

template <typename Member>
void Visitor::visit(std::string_view name, Member& member) {
  if constexpr (std::same_as<std::remove_const_t<Member>, Buffer>) {
    if (member.tensor.defined()) member.optional ? optional_buffer(name, member.tensor) : buffer(name, member.tensor);
  } else if constexpr (std::same_as<Member, Tensor>) {
    if (member.defined()) parameter(name, member);
  } else if constexpr (std::derived_from<Member, Module>) {
    module(name, member);
  } else if constexpr (std::ranges::range<Member>) {
    std::size_t i = 0;
    for (auto& element : member) visit(std::string(name) + "." + std::to_string(i++), element);
  } else {
    if (member) visit(name, *member);
  }
}

}  // namespace weft::nn
