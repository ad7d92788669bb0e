#include "optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "core/autograd.h"
#include "core/ops/copy.h"
#include "core/ops/update.h"

namespace weft::optim {
namespace {

using Place = std::pair<DType, Device>;
Place place_of(const Tensor& x) { return {x.dtype(), x.device()}; }

}  // namespace

std::vector<ParameterGroup> decay_only_weights(const Tensors& parameters) {
  std::vector<ParameterGroup> groups(2);
  groups[1].weight_decay = 0;
  for (const Tensor& parameter : parameters) groups[parameter.rank() >= 2 ? 0 : 1].parameters.push_back(parameter);
  if (groups[1].parameters.empty()) groups.pop_back();
  return groups;
}

Optimizer::~Optimizer() = default;

Optimizer::Optimizer(const char* name, std::vector<ParameterGroup> groups, double lr, double weight_decay)
    : name_(name) {
  require(std::isfinite(lr) && lr >= 0, name_, "the learning rate must not be negative, got ", lr);
  require(weight_decay >= 0, name_, "the weight decay must not be negative, got ", weight_decay);
  for (ParameterGroup& group : groups) {
    std::erase_if(group.parameters, [](const Tensor& parameter) { return !parameter.requires_grad(); });
    std::copy(group.parameters.begin(), group.parameters.end(), std::back_inserter(parameters_));
    base_lr_.push_back(group.lr.value_or(lr));
  }
  require(!parameters_.empty(), name_, "there is nothing to train: no parameter wants a gradient");
  lr_ = base_lr_;
  build_arenas(groups);
  build_slices(groups, weight_decay);
}

void Optimizer::build_arenas(const std::vector<ParameterGroup>& groups) {
  std::vector<Place> places;
  for (const Tensor& parameter : parameters_)
    if (std::find(places.begin(), places.end(), place_of(parameter)) == places.end())
      places.push_back(place_of(parameter));
  std::vector<double> sizes;
  for (const Place& place : places) {
    std::vector<Tensors> here(groups.size());
    for (std::size_t g = 0; g < groups.size(); ++g)
      std::copy_if(groups[g].parameters.begin(), groups[g].parameters.end(), std::back_inserter(here[g]),
                   [&](const Tensor& parameter) { return place_of(parameter) == place; });
    arenas_.emplace_back(here);
    for (const ArenaRange& range : arenas_.back().parameters())
      sizes.push_back(static_cast<double>(range.end - range.begin));
  }
  layout_ = tensor({static_cast<std::int64_t>(sizes.size())}, sizes, {.dtype = DType::i64});
}

void Optimizer::build_slices(const std::vector<ParameterGroup>& groups, double weight_decay) {
  const TensorOptions options{.dtype = DType::f64};
  host_dynamics_ = zeros({static_cast<std::int64_t>(groups.size()), 2}, options);
  for (std::size_t a = 0; a < arenas_.size(); ++a) {
    const Arena& arena = arenas_[a];
    const Device device = arena.values().device();
    Tensor dynamics = host_dynamics_;
    for (const Tensor& copy : device_dynamics_)
      if (copy.device() == device) dynamics = copy;
    if (dynamics.device() != device) dynamics = device_dynamics_.emplace_back(host_dynamics_.to(device));
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const ArenaRange range = arena.groups()[g];
      if (range.begin == range.end) continue;
      slices_.push_back({.arena = a,
                         .range = range,
                         .values = arena.values().slice(0, range.begin, range.end),
                         .gradients = arena.gradients().slice(0, range.begin, range.end),
                         .dynamics = dynamics.select(0, static_cast<std::int64_t>(g)),
                         .weight_decay = groups[g].weight_decay.value_or(weight_decay),
                         .state = {}});
    }
  }
  write_dynamics();
}

void Optimizer::add_state(const std::string& name) {
  for (std::size_t a = 0; a < arenas_.size(); ++a) {
    const Tensor& values = arenas_[a].values();
    const Tensor whole = zeros(values.shape(), {values.dtype(), values.device()});
    states_.push_back({name + "." + std::to_string(a), whole});
    for (Slice& slice : slices_)
      if (slice.arena == a) slice.state.push_back(whole.slice(0, slice.range.begin, slice.range.end));
  }
}

void Optimizer::write_dynamics() const {
  double* rows = host_dynamics_.data<double>();
  for (std::size_t g = 0; g < lr_.size(); ++g) {
    rows[2 * g] = lr_[g];
    rows[2 * g + 1] = static_cast<double>(steps_);
  }
  for (const Tensor& copy : device_dynamics_) copy_(copy, host_dynamics_);
}

void Optimizer::zero_grad() const {
  for (const Arena& arena : arenas_) arena.zero_grad();
}

void Optimizer::check_parameters(const char* op) const {
  for (const Arena& arena : arenas_) arena.check_in_place(op);
  for (const Tensor& parameter : parameters_)
    require(parameter.requires_grad(), op, "parameter ", parameter.shape(),
            " was frozen after the optimizer was built; build the optimizer after freezing");
}

void Optimizer::complete_gradients(const char* op) const {
  check_parameters(op);
  for (const Arena& arena : arenas_) arena.complete_gradients();
}

const Tensor& Optimizer::dynamics(Device device) const {
  for (const Tensor& copy : device_dynamics_)
    if (copy.device() == device) return copy;
  require(device == host_dynamics_.device(), name_, "updates nothing on ", device);
  return host_dynamics_;
}

void Optimizer::step() {
  check_parameters(name_);
  advance();
  apply();
}

void Optimizer::advance() {
  ++steps_;
  write_dynamics();
}

void Optimizer::apply() {
  complete_gradients(name_);
  update();
  for (const Tensor& parameter : parameters_) parameter.storage()->written_by(name_);
}

void Optimizer::scale_lr(double factor) {
  for (std::size_t g = 0; g < lr_.size(); ++g) lr_[g] = base_lr_[g] * factor;
}

Tensor Optimizer::clip_gradient_norm(double max_norm) const {
  require(max_norm > 0, "clip_gradient_norm", "the norm must be positive, got ", max_norm);
  complete_gradients("clip_gradient_norm");
  Tensors gradients;
  for (const Arena& arena : arenas_) gradients.push_back(arena.gradients());
  return clip_by_norm(gradients, max_norm);
}

void Optimizer::clip_gradient_value(double bound) const {
  require(bound > 0, "clip_gradient_value", "the bound must be positive, got ", bound);
  complete_gradients("clip_gradient_value");
  for (const Arena& arena : arenas_) clip_by_value(arena.gradients(), bound);
}

NamedTensors Optimizer::state() const {
  write_dynamics();
  NamedTensors all = states_;
  all.push_back({"dynamics", host_dynamics_});
  all.push_back({"layout", layout_});
  return all;
}

void Optimizer::load(const NamedTensors& given) {
  const NamedTensors own = state();
  std::vector<const Tensor*> sources;
  for (const NamedTensor& mine : own) {
    const auto found =
        std::find_if(given.begin(), given.end(), [&](const auto& other) { return other.name == mine.name; });
    require(found != given.end(), name_, "the state to load has no '", mine.name,
            "'; was it saved by another optimizer?");
    require(found->tensor.shape() == mine.tensor.shape(), name_, "state '", mine.name, "' is ", found->tensor.shape(),
            ", needed is ", mine.tensor.shape());
    sources.push_back(&found->tensor);
  }
  require(given.size() == own.size(), name_, "the state to load has ", given.size(), " tensors, needed are ",
          own.size());
  require(sources.back()->to_vector() == layout_.to_vector(), name_,
          "the state to load is of other parameters, or of the same in another order");
  for (std::size_t i = 0; i + 1 < own.size(); ++i) copy_(own[i].tensor, *sources[i]);
  const double* rows = host_dynamics_.data<double>();
  for (std::size_t g = 0; g < lr_.size(); ++g) lr_[g] = rows[2 * g];
  steps_ = static_cast<std::int64_t>(rows[1]);
  write_dynamics();
}

}  // namespace weft::optim
