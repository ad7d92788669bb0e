// Optimizer: changes parameters along their gradients. The constructor moves the parameters into flat arenas (one per
// dtype and device, a range per group); a step is then a few calls over those, whatever the number of parameters.
// Frozen parameters stay outside. Moving or freezing a parameter afterwards makes the next step an error that says so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/arena.h"
#include "core/named_tensor.h"

namespace weft::optim {

// Parameters that share settings; what is not given here comes from the optimizer's own options.
struct ParameterGroup {
  Tensors parameters = {};
  std::optional<double> lr = {};
  std::optional<double> weight_decay = {};
};

// Two groups: parameters of rank 2 and more, and the rest (biases, norms) without weight decay.
WEFT_API std::vector<ParameterGroup> decay_only_weights(const Tensors& parameters);

class WEFT_API Optimizer {
 public:
  virtual ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // Forgets all gradients: the next backward pass overwrites them.
  void zero_grad() const;
  // Changes the parameters by one update; a parameter without a gradient counts as having gradient 0.
  void step();
  // step() in two halves, for a step that is recorded and replayed (core/runtime/capture.h): advance() counts it and
  // sends its number and the learning rates to the device, apply() is the work of the device.
  void advance();
  void apply();
  std::int64_t steps() const { return steps_; }

  std::size_t groups() const { return lr_.size(); }
  double lr(std::size_t group = 0) const { return lr_.at(group); }
  void set_lr(std::size_t group, double lr) { lr_.at(group) = lr; }
  // Every group's learning rate becomes its base, the one it was built with, times the factor of a schedule.
  void scale_lr(double factor);

  // Clips the gradients of all parameters together to a Euclidean norm; returns the norm before (a scalar on the
  // device of the first parameter: nothing waits).
  Tensor clip_gradient_norm(double max_norm) const;
  // Clamps each element of the gradients to [-bound, bound].
  void clip_gradient_value(double bound) const;

  // "sgd", "adam", ….
  const char* name() const { return name_; }
  // Everything a checkpoint keeps beside the parameters: "momentum.0" (flat, one per arena), …, "dynamics" (groups, 2)
  // f64 with learning rates and step count, "layout". The tensors are the optimizer's own, not copies.
  NamedTensors state() const;
  // Copies a state that state() of an optimizer over the same parameters gave; throws Error(usage) when it does not
  // fit.
  void load(const NamedTensors& state);

  const std::vector<Arena>& arenas() const { return arenas_; }
  // What updates on that device read, (groups, 2) f64: learning rate and number of the step; written by advance().
  const Tensor& dynamics(Device device) const;
  // Gradients that backward did not write become zeros, so that the arenas' flat ranges can be read. Throws
  // Error(usage) naming op when a parameter was moved or frozen.
  void complete_gradients(const char* op) const;

 protected:
  // `name` must live as long as the process: it is what the parameters remember as their last writer.
  Optimizer(const char* name, std::vector<ParameterGroup> groups, double lr, double weight_decay);

  // One range of an arena that is updated with one setting.
  struct Slice {
    std::size_t arena = 0;
    ArenaRange range;
    Tensor values, gradients;  // (elements,) of the range
    Tensor dynamics;           // (2,) f64 on the arena's device: learning rate, number of this step (from 1)
    double weight_decay = 0;
    Tensors state;  // (elements,) each, in the order of add_state() calls
  };
  const std::vector<Slice>& slices() const { return slices_; }
  // Zeros of the arenas' sizes, which state() lists as "name.0", … (one per arena) and slices hold their ranges of.
  void add_state(const std::string& name);

 private:
  virtual void update() = 0;
  void build_arenas(const std::vector<ParameterGroup>& groups);
  void build_slices(const std::vector<ParameterGroup>& groups, double weight_decay);
  void write_dynamics() const;
  void check_parameters(const char* op) const;

  const char* name_;
  std::vector<double> base_lr_, lr_;
  std::int64_t steps_ = 0;
  Tensors parameters_;  // those that wanted gradients, in the order given
  std::vector<Arena> arenas_;
  std::vector<Slice> slices_;
  NamedTensors states_;      // what add_state() made, whole
  Tensor layout_;            // i64: the sizes of the parameters in memory order, so that a state of others is refused
  Tensor host_dynamics_;     // (groups, 2) f64 on the CPU
  Tensors device_dynamics_;  // its copies, one per other device
};

}  // namespace weft::optim
