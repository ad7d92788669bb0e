#include "core/autograd.h"

#include <algorithm>
#include <atomic>

#include "core/leaf.h"
#include "core/ops/copy.h"
#include "core/ops/elementwise.h"
#include "core/profile.h"

namespace weft {
namespace {

constinit thread_local bool recording = true;
constinit thread_local SavedTensorHook* saved_hook = nullptr;
constinit thread_local const GradNode* running_node = nullptr;  // whose backward runs; for error messages

std::atomic<std::uint64_t> next_sequence{1};
std::atomic<std::uint64_t> next_pass{1};

bool wants_gradient(const TensorBody& body) { return body.node || (body.leaf && body.leaf->wanted); }

Leaf& leaf_of(const Tensor& x, const char* op) {
  require(x.defined() && x.body()->leaf, op, "needs a leaf tensor with requires_grad");
  return *x.body()->leaf;
}

}  // namespace

// --- recording ------------------------------------------------------------------------------------------------

bool grad_enabled() { return recording; }
bool in_backward() { return running_node != nullptr; }
std::uint64_t current_sequence() {
  return running_node ? running_node->sequence() : next_sequence.load(std::memory_order_relaxed);
}
NoGrad::NoGrad() : recording_(recording, false) {}
WithGrad::WithGrad() : recording_(recording, true) {}

bool wants_graph(std::span<const Tensor* const> inputs) {
  if (!recording) return false;
  for (const Tensor* x : inputs)
    if (x->defined() && wants_gradient(*x->body())) return true;
  return false;
}

GradNode::GradNode(const char* name)
    : name_(name), sequence_(next_sequence.fetch_add(1, std::memory_order_relaxed)), layer_(current_layer()) {}
GradNode::~GradNode() = default;

// A node owns the nodes of its inputs, so dropping the end of a long chain would recurse through all of it. The first
// dispose() of a thread loops; those it causes only queue.
void GradNode::dispose(GradNode* node) {
  thread_local std::vector<GradNode*>* queue = nullptr;
  if (queue) return queue->push_back(node);
  std::vector<GradNode*> pending{node};
  queue = &pending;
  while (!pending.empty()) {
    GradNode* next = pending.back();
    pending.pop_back();
    delete next;
  }
  queue = nullptr;
}

void record_node(Ref<GradNode> node, std::span<const Tensor* const> inputs, std::span<Tensor> outputs) {
  node->edges_.resize(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i]->defined()) continue;
    TensorBody* body = inputs[i]->body();
    if (body->node) {
      require(body->version == body->storage->version, node->name_, "input ", i + 1, ", made by '", body->node->name_,
              "', was overwritten by '", body->storage->last_writer,
              "' through another view; its gradient would be wrong: clone() before the in-place op");
      node->edges_[i] = {body->node, body->output, {}};
    } else if (body->leaf && body->leaf->wanted) {
      node->edges_[i].leaf = Ref<TensorBody>(body);
    }
  }
  node->gradients_.resize(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    TensorBody* body = outputs[i].body();
    body->node = node;
    body->output = static_cast<int>(i);
    body->version = body->storage->version;
  }
}

void begin_in_place(const char* op, const Tensor& x) {
  const bool leaf = recording && x.body()->leaf && x.body()->leaf->wanted;
  require(!leaf, op, "would overwrite a leaf that wants a gradient; do it under NoGrad or on a clone()");
}

void end_in_place(const char* op, const Tensor& x) {
  x.storage()->written_by(op);
  x.body()->version = x.storage()->version;
}

RecomputedTensor::~RecomputedTensor() = default;
SavedTensorHook::~SavedTensorHook() = default;
SavedTensorHook::Scope::Scope(SavedTensorHook* hook) : hook_(saved_hook, hook) {}

SavedTensor::SavedTensor(const Tensor& x) {
  if (saved_hook) [[unlikely]]
    recomputed_ = saved_hook->saved(x);
  if (!x.defined() || recomputed_) return;
  tensor_ = make_view(x, x.layout());
  version_ = x.storage()->version;
}

const Tensor& SavedTensor::get() const {
  if (recomputed_) [[unlikely]]
    return recomputed_->get();
  if (tensor_.defined() && tensor_.storage()->version != version_) [[unlikely]]
    fail(ErrorKind::usage, "backward", "'", running_node ? running_node->name() : "an op", "' saved a tensor ",
         tensor_.shape(), " that '", tensor_.storage()->last_writer,
         "' has overwritten since; clone() before the in-place op");
  return tensor_;
}

bool Needs::operator[](int input) const {
  const Edge& edge = node_->edges_[static_cast<std::size_t>(input)];
  return edge.node || edge.leaf;
}

Tensor Needs::gradient(int input, const Tensor& like) const {
  const auto& edges = node_->edges_;
  TensorBody* body = edges[static_cast<std::size_t>(input)].leaf.get();
  const auto same_leaf = [&](const Edge& e) { return e.leaf.get() == body; };
  // A leaf that is two inputs of one node has one place for two gradients: both must be fresh.
  if (body && body->leaf->in_arena && !body->leaf->filled && std::count_if(edges.begin(), edges.end(), same_leaf) == 1)
    return body->leaf->gradient;
  return empty_like(like);
}

Tensor reused_gradient(const Tensor& dy, const Tensor& like) {
  const Storage& memory = *dy.storage();
  const Layout &is = dy.layout(), &wanted = like.layout();
  const bool alone = dy.body()->references() == 1 && memory.references() == 1 && memory.owner && !dy.body()->leaf;
  const bool fits = dy.dtype() == like.dtype() && is.dense() && is.format == wanted.format &&
                    is.shape == wanted.shape && is.strides == wanted.strides;
  return alone && fits ? dy : empty_like(like);
}

// --- the engine -----------------------------------------------------------------------------------------------

class Engine {
 public:
  Engine(const Tensor& root, bool keep_graph) : keep_graph_(keep_graph), pass_(next_pass.fetch_add(1)) {
    discover(root.body()->node.get());
  }

  void run(const Tensor& root, const Tensor& dy) {
    const Ref<GradNode> start = root.body()->node;
    start->gradients_[static_cast<std::size_t>(root.body()->output)] = dy;
    ready_.push_back(start);
    while (!ready_.empty()) {
      std::pop_heap(ready_.begin(), ready_.end(), earlier);
      const Ref<GradNode> node = std::move(ready_.back());
      ready_.pop_back();
      run_node(*node);
    }
  }

  // Adds dx to the gradient of a leaf. The first contribution to a place in the arena is copied there, unless the op
  // wrote it there already (Needs::gradient).
  static void accumulate(TensorBody& body, const Tensor& dx) {
    Leaf& leaf = *body.leaf;
    if (leaf.in_arena) {
      if (!leaf.filled) {
        if (!dx.same_as(leaf.gradient)) copy_forward(dx, leaf.gradient);
      } else {
        add_(leaf.gradient, dx);
      }
    } else {
      // Never in place: a gradient may be shared with other leaves (both inputs of an add get the same dy).
      leaf.gradient = leaf.filled ? add(leaf.gradient, dx) : dx;
    }
    leaf.filled = true;
  }

  static void complete(TensorBody& body) {
    for (const auto& hook : body.leaf->hooks) hook(Tensor(Ref<TensorBody>(&body)));
  }

 private:
  static bool earlier(const Ref<GradNode>& a, const Ref<GradNode>& b) { return a->sequence_ < b->sequence_; }

  // Counts, for every node and leaf that the root depends on, how many gradients will arrive.
  void discover(GradNode* root) {
    std::vector<GradNode*> stack;
    const auto visit = [&](GradNode* node) {
      if (node->pass_ == pass_) return;
      require(!node->freed_, "backward", "the graph of '", node->name_,
              "' was freed by an earlier backward; pass keep_graph = true to that one");
      node->pass_ = pass_;
      node->waiting_ = 0;
      for (Tensor& g : node->gradients_) g = {};
      stack.push_back(node);
    };
    visit(root);
    while (!stack.empty()) {
      GradNode* node = stack.back();
      stack.pop_back();
      for (const Edge& edge : node->edges_) {
        if (edge.node) {
          visit(edge.node.get());
          ++edge.node->waiting_;
        } else if (edge.leaf) {
          Leaf& leaf = *edge.leaf->leaf;
          leaf.waiting = leaf.pass == pass_ ? leaf.waiting + 1 : 1;
          leaf.pass = pass_;
        }
      }
    }
  }

  void run_node(GradNode& node) {
    const bool any = std::any_of(node.gradients_.begin(), node.gradients_.end(), [](auto& g) { return g.defined(); });
    Tensors dxs;
    if (any) {
      const Scoped<const GradNode*> running(running_node, &node);
      const LayerScope layer(node.layer_);
      dxs = node.backward(node.gradients_, Needs(node));
      ensure(dxs.size() <= node.edges_.size(), "backward returns at most one gradient per input");
    }
    dxs.resize(node.edges_.size());
    for (Tensor& g : node.gradients_) g = {};
    if (!keep_graph_) {
      node.freed_ = true;
      node.release_saved();
    }
    for (std::size_t i = 0; i < node.edges_.size(); ++i) {
      deliver(node.edges_[i], dxs[i]);
      dxs[i] = {};
    }
    if (!keep_graph_) node.edges_.clear();
  }

  void deliver(const Edge& edge, const Tensor& dx) {
    if (edge.node) {
      if (dx.defined()) add_to(edge.node->gradients_[static_cast<std::size_t>(edge.output)], dx);
      if (--edge.node->waiting_ > 0) return;
      ready_.push_back(edge.node);
      std::push_heap(ready_.begin(), ready_.end(), earlier);
    } else if (edge.leaf) {
      if (dx.defined()) {
        ensure(dx.shape() == edge.leaf->layout.shape, "a gradient has the shape of its leaf");
        accumulate(*edge.leaf, dx);
      }
      if (--edge.leaf->leaf->waiting == 0 && edge.leaf->leaf->filled) complete(*edge.leaf);
    }
  }

  static void add_to(Tensor& sum, const Tensor& dx) { sum = sum.defined() ? add(sum, dx) : dx; }

  const bool keep_graph_;
  const std::uint64_t pass_;
  std::vector<Ref<GradNode>> ready_;  // a heap, latest sequence number first
};

void Tensor::backward(const Tensor& dy_in, bool keep_graph) const {
  require(defined(), "backward", "the tensor is undefined");
  require(requires_grad(), "backward", "this tensor ", shape(),
          " is not part of a graph: nothing it was computed from wants a gradient, or it was"
          " computed under NoGrad, or it comes from a gradient (weft has first derivatives only)");
  require(dy_in.defined() || elements() == 1, "backward", "a tensor ", shape(),
          " is no scalar; pass the gradient dy of the same shape");
  const ProfileRange range(Phase::backward, "backward");
  require(!dy_in.defined() || dy_in.shape() == shape(), "backward", "dy ", dy_in.defined() ? dy_in.shape() : Shape{},
          " must have the tensor's shape ", shape());
  const NoGrad guard;
  const Tensor dy = dy_in.defined() ? dy_in.detach() : ones(shape(), {dtype(), device()});
  if (!body()->node) {
    Engine::accumulate(*body(), dy);
    Engine::complete(*body());
    return;
  }
  Engine(*this, keep_graph).run(*this, dy);
}

// --- leaves ---------------------------------------------------------------------------------------------------

bool Tensor::requires_grad() const { return wants_gradient(*body_); }

const Tensor& Tensor::set_requires_grad(bool wanted) const {
  require(!body_->node, "set_requires_grad", "only a leaf can be told; this tensor was made by '",
          body_->node ? body_->node->name() : "", "': use detach()");
  require(!wanted || is_floating(dtype()), "set_requires_grad", "needs a floating dtype, got ", dtype());
  if (wanted && !body_->leaf) body_->leaf = std::make_unique<Leaf>();
  if (body_->leaf) body_->leaf->wanted = wanted;
  return *this;
}

Tensor Tensor::grad() const { return has_gradient(*this) ? body_->leaf->gradient : Tensor{}; }

void Tensor::zero_grad() const {
  if (!body_->leaf) return;
  body_->leaf->filled = false;
  if (!body_->leaf->in_arena) body_->leaf->gradient = {};
}

void set_data(const Tensor& x, const Tensor& data) {
  require(!x.body()->node, "set_data", "x was made by '", x.body()->node ? x.body()->node->name() : "",
          "' and is part of a graph; use detach()");
  require(x.shape() == data.shape(), "set_data", "x is ", x.shape(), " but the data is ", data.shape());
  x.body()->layout = data.layout();
  x.body()->dtype = data.dtype();
  x.body()->storage = data.storage();
  if (!x.body()->leaf) return;
  x.body()->leaf->gradient = {};
  x.body()->leaf->filled = x.body()->leaf->in_arena = false;
}

bool has_gradient(const Tensor& leaf) { return leaf.body()->leaf && leaf.body()->leaf->filled; }

void fill_gradient_with_zero(const Tensor& leaf) {
  Leaf& l = leaf_of(leaf, "fill_gradient_with_zero");
  if (l.in_arena)
    fill_forward(0, l.gradient);
  else
    l.gradient = zeros(leaf.shape(), {leaf.dtype(), leaf.device()});
  l.filled = true;
}

void on_gradient_complete(const Tensor& leaf, std::function<void(const Tensor&)> hook) {
  leaf_of(leaf, "on_gradient_complete").hooks.push_back(std::move(hook));
}

void set_gradient_memory(const Tensor& leaf, const Tensor& memory) {
  Leaf& l = leaf_of(leaf, "set_gradient_memory");
  require(memory.shape() == leaf.shape() && memory.dtype() == leaf.dtype() && memory.contiguous_format(),
          "set_gradient_memory", "needs contiguous ", leaf.dtype(), " ", leaf.shape(), ", got ", memory.format(), " ",
          memory.dtype(), " ", memory.shape());
  if (l.filled) copy_forward(l.gradient, memory);
  l.gradient = memory;
  l.in_arena = true;
}

}  // namespace weft
