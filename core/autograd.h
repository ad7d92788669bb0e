// Autograd: reverse-mode differentiation over a graph that forward calls record. A differentiable op hands its
// inputs, outputs and the gradient as a lambda to differentiable(); backward() runs the nodes by falling sequence
// number on the caller's thread, without recursion, and frees each as it goes. First derivatives only.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/scoped.h"
#include "core/tensor.h"

namespace weft {

// Which inputs of an op want a gradient, and where it may be written.
class WEFT_API Needs {
 public:
  bool operator[](int input) const;
  // Memory for the gradient of that input: its place in the arena when it is a parameter whose gradient is still
  // empty (saves a copy), else a fresh tensor. `like` gives shape, dtype, device and format.
  Tensor gradient(int input, const Tensor& like) const;

 private:
  friend class Engine;
  explicit Needs(const GradNode& node) : node_(&node) {}
  const GradNode* node_;
};

// Memory for a gradient that is computed from dy element by element: dy's own, where nothing else refers to it and it
// is laid out as `like`; else a fresh tensor.
WEFT_API Tensor reused_gradient(const Tensor& dy, const Tensor& like);

// Stands for a saved tensor that is not kept but computed again (core/checkpoint.h).
class WEFT_API RecomputedTensor : public Counted {
 public:
  virtual ~RecomputedTensor();
  virtual const Tensor& get() = 0;
};
// Hears of every tensor that ops of this thread save while a Scope with it lives.
class WEFT_API SavedTensorHook {
 public:
  virtual ~SavedTensorHook();
  // What is to be saved instead of x, which may be undefined; null: x itself.
  virtual Ref<RecomputedTensor> saved(const Tensor& x) = 0;

  class WEFT_API Scope {
   public:
    explicit Scope(SavedTensorHook* hook);

   private:
    Scoped<SavedTensorHook*> hook_;
  };
};

// A tensor kept for backward: data and version, no history, so an op may keep its own output without a cycle.
// get() throws, naming both ops, when the data was overwritten in between.
class WEFT_API SavedTensor {
 public:
  SavedTensor() = default;
  explicit SavedTensor(const Tensor& x);
  bool defined() const { return tensor_.defined() || recomputed_; }
  const Tensor& get() const;

 private:
  Tensor tensor_;
  Ref<RecomputedTensor> recomputed_;  // in place of the tensor
  std::uint32_t version_ = 0;
};

// Where a gradient flows: to the node that made an input, or to a leaf; to neither when the input wants none.
struct Edge {
  Ref<GradNode> node;
  int output = 0;
  Ref<TensorBody> leaf;
};

class WEFT_API GradNode : public Counted {
 public:
  explicit GradNode(const char* name);
  virtual ~GradNode();
  static void dispose(GradNode* node);  // frees long chains without recursion

  const char* name() const { return name_; }
  std::uint64_t sequence() const { return sequence_; }

 protected:
  // dys has one entry per output (undefined where no gradient came). Returns one per input (undefined: zero).
  virtual Tensors backward(std::span<const Tensor> dys, Needs needs) = 0;
  virtual void release_saved() = 0;

 private:
  friend class Needs;
  friend class Engine;
  friend WEFT_API void record_node(Ref<GradNode>, std::span<const Tensor* const>, std::span<Tensor>);

  const char* name_;
  std::uint64_t sequence_;
  const char* layer_;  // that ran when this was recorded
  bool freed_ = false;
  std::uint32_t waiting_ = 0;  // consumers that have not run yet in backward pass `pass_`; the engine's
  std::uint64_t pass_ = 0;
  std::vector<Edge> edges_;        // one per input
  std::vector<Tensor> gradients_;  // one per output, collected so far; the engine's
};

// An input list that neither copies handles nor allocates: {x, weight}.
struct Input {
  const Tensor* tensor;
  // NOLINTNEXTLINE(google-explicit-constructor): lets {x, weight} stand for the inputs.
  Input(const Tensor& x) : tensor(&x) {}
};

WEFT_API bool grad_enabled();  // of this thread
// Whether this thread runs the backward function of a node.
WEFT_API bool in_backward();
// The number of that node; outside of backward passes the one that the next node will get.
WEFT_API std::uint64_t current_sequence();
// Whether recording is on and one of the inputs wants a gradient.
WEFT_API bool wants_graph(std::span<const Tensor* const> inputs);
WEFT_API void record_node(Ref<GradNode> node, std::span<const Tensor* const> inputs, std::span<Tensor> outputs);

// While one of these lives, this thread records nothing.
class WEFT_API NoGrad {
 public:
  NoGrad();

 private:
  Scoped<bool> recording_;
};

// While one of these lives, this thread records, also within backward.
class WEFT_API WithGrad {
 public:
  WithGrad();

 private:
  Scoped<bool> recording_;
};

// Calls the hook each time the gradient of this leaf is complete within a backward pass.
WEFT_API void on_gradient_complete(const Tensor& leaf, std::function<void(const Tensor& leaf)> hook);

// Gives a leaf the memory its gradient is written to from now on (same shape and dtype, contiguous).
WEFT_API void set_gradient_memory(const Tensor& leaf, const Tensor& memory);
// Makes a leaf without a gradient have one of zeros, in its given memory.
WEFT_API void fill_gradient_with_zero(const Tensor& leaf);
// Gives x the data, dtype and device of another tensor; all handles on x see that. Its gradient is dropped, its wish
// for one and its hooks stay. For modules that move; x must not be part of a graph.
WEFT_API void set_data(const Tensor& x, const Tensor& data);
// Whether backward has written the gradient since zero_grad().
WEFT_API bool has_gradient(const Tensor& leaf);

// For in-place ops, in this order: check that x may be written (a leaf that wants a gradient may not while recording
// is on), run the kernel, record with differentiable(op, {x, …}, x, …), and raise the version.
WEFT_API void begin_in_place(const char* op, const Tensor& x);
WEFT_API void end_in_place(const char* op, const Tensor& x);

namespace detail {

template <typename Backward>
class LambdaNode final : public GradNode {
 public:
  LambdaNode(const char* name, Backward backward) : GradNode(name), backward_(std::move(backward)) {}

 protected:
  Tensors backward(std::span<const Tensor> dys, Needs needs) override {
    if constexpr (std::invocable<Backward&, const Tensor&, Needs>)
      return (*backward_)(dys[0], needs);
    else
      return (*backward_)(dys, needs);
  }
  void release_saved() override { backward_.reset(); }

 private:
  std::optional<Backward> backward_;
};

template <typename Backward>
void record(const char* name, std::span<const Tensor* const> inputs, std::span<Tensor> outputs, Backward&& backward) {
  if (!wants_graph(inputs)) return;
  using Node = LambdaNode<std::remove_cvref_t<Backward>>;
  record_node(Ref<GradNode>(new Node(name, std::forward<Backward>(backward))), inputs, outputs);
}

}  // namespace detail

// Records y = op(inputs). backward is called as backward(dy, needs) and returns one gradient per input, each of the
// input's shape; entries that needs does not ask for may be undefined. Returns y.
template <typename Backward>
Tensor differentiable(const char* op, std::initializer_list<Input> inputs, Tensor y, Backward&& backward) {
  static_assert(sizeof(Input) == sizeof(const Tensor*));
  const std::span list(reinterpret_cast<const Tensor* const*>(inputs.begin()), inputs.size());
  detail::record(op, list, std::span(&y, 1), std::forward<Backward>(backward));
  return y;
}
// The same for a list of inputs whose length is known at run time (concat).
template <typename Backward>
Tensor differentiable(const char* op, std::span<const Tensor> inputs, Tensor y, Backward&& backward) {
  std::vector<const Tensor*> list;
  for (const Tensor& x : inputs) list.push_back(&x);
  detail::record(op, list, std::span(&y, 1), std::forward<Backward>(backward));
  return y;
}
// The same for several outputs; backward is called as backward(dys, needs) with a span, entries undefined where no
// gradient came.
template <typename Backward>
Tensors differentiable(const char* op, std::initializer_list<Input> inputs, Tensors outputs, Backward&& backward) {
  const std::span list(reinterpret_cast<const Tensor* const*>(inputs.begin()), inputs.size());
  detail::record(op, list, std::span(outputs), std::forward<Backward>(backward));
  return outputs;
}

}  // namespace weft
