#include "core/ops/update.h"

#include "core/autograd.h"

namespace weft {
namespace {

Cost moved(const Tensor& x, double reads_and_writes) { return {.bytes = reads_and_writes * double(x.bytes())}; }

Cost sgd_cost(const Tensor&, const Tensor&, SGDUpdate, const Tensor& momentum, const Tensor& values) {
  return moved(values, momentum.defined() ? 5 : 3);
}
Cost adam_cost(const Tensor&, const Tensor&, AdamUpdate, const Tensor&, const Tensor&, const Tensor& values) {
  return moved(values, 7);
}
Cost read_cost(const Tensor& x, const Tensor&) { return moved(x, 1); }
Cost scale_cost(const Tensor&, double, const Tensor& x) { return moved(x, 2); }
Cost clamp_cost(double, const Tensor& x) { return moved(x, 2); }

void check_operands(const char* op, const Tensor& values, std::initializer_list<const Tensor*> others) {
  require(is_floating(values.dtype()) && values.rank() == 1 && values.layout().dense(), op,
          "values must be dense (n,) of a floating dtype, got ", values.shape(), " ", values.dtype());
  for (const Tensor* other : others)
    require(other->shape() == values.shape() && other->dtype() == values.dtype() && other->layout().dense(), op,
            "values are ", values.shape(), " ", values.dtype(), " but another operand is ", other->shape(), " ",
            other->dtype());
}
void check_dynamics(const char* op, const Tensor& dynamics) {
  require(dynamics.dtype() == DType::f64 && dynamics.shape() == Shape{2} && dynamics.layout().dense(), op,
          "dynamics must be (2,) f64, got ", dynamics.shape(), " ", dynamics.dtype());
}

}  // namespace

constinit KernelSlot<void(const Tensor&, const Tensor&, SGDUpdate, const Tensor&, const Tensor&)> sgd_step{"sgd_step",
                                                                                                           sgd_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&, AdamUpdate, const Tensor&, const Tensor&, const Tensor&)>
    adam_step{"adam_step", adam_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&)> square_sum{"square_sum", read_cost};
constinit KernelSlot<void(const Tensor&, const Tensor&)> root_of_sum{"root_of_sum", read_cost};
constinit KernelSlot<void(const Tensor&, double, const Tensor&)> scale_to_norm{"scale_to_norm", scale_cost};
constinit KernelSlot<void(double, const Tensor&)> clamp_values{"clamp_values", clamp_cost};

void sgd_update(const Tensor& values, const Tensor& gradients, const Tensor& momentum, const Tensor& dynamics,
                SGDUpdate options) {
  check_operands("sgd_update", values, {&gradients, momentum.defined() ? &momentum : &gradients});
  check_dynamics("sgd_update", dynamics);
  require(momentum.defined() || options.momentum == 0, "sgd_update", "a momentum of ", options.momentum,
          " needs a tensor to keep it in");
  begin_in_place("sgd_update", values);
  sgd_step(gradients, dynamics, options, momentum, values);
  if (momentum.defined()) momentum.storage()->written_by("sgd_update");
  end_in_place("sgd_update", values);
}

void adam_update(const Tensor& values, const Tensor& gradients, const Tensor& mean, const Tensor& mean_square,
                 const Tensor& dynamics, AdamUpdate options) {
  check_operands("adam_update", values, {&gradients, &mean, &mean_square});
  check_dynamics("adam_update", dynamics);
  begin_in_place("adam_update", values);
  adam_step(gradients, dynamics, options, mean, mean_square, values);
  mean.storage()->written_by("adam_update");
  mean_square.storage()->written_by("adam_update");
  end_in_place("adam_update", values);
}

Tensor clip_by_norm(std::span<const Tensor> tensors, double max_norm) {
  require(!tensors.empty() && max_norm > 0, "clip_by_norm", "needs tensors and a positive norm, got ", max_norm);
  const TensorOptions options{DType::f64, tensors[0].device()};
  const Tensor squares = empty({static_cast<std::int64_t>(tensors.size())}, options);
  const Tensor norm = empty({}, options);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    check_operands("clip_by_norm", tensors[i], {});
    begin_in_place("clip_by_norm", tensors[i]);
    square_sum(tensors[i], make_view(squares, {.shape = {}, .strides = {}, .offset = static_cast<std::int64_t>(i)}));
  }
  root_of_sum(squares, norm);
  for (const Tensor& x : tensors) {
    scale_to_norm(norm, max_norm, x);
    end_in_place("clip_by_norm", x);
  }
  return norm;
}

void clip_by_value(const Tensor& x, double bound) {
  check_operands("clip_by_value", x, {});
  require(bound >= 0, "clip_by_value", "the bound must not be negative, got ", bound);
  begin_in_place("clip_by_value", x);
  clamp_values(bound, x);
  end_in_place("clip_by_value", x);
}

}  // namespace weft
