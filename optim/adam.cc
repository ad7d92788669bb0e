#include "optim/adam.h"

#include "core/ops/update.h"

namespace weft::optim {

Adam::Adam(const Tensors& parameters, AdamOptions options)
    : Adam(std::vector<ParameterGroup>{{.parameters = parameters, .lr = {}, .weight_decay = {}}}, options) {}

Adam::Adam(std::vector<ParameterGroup> groups, AdamOptions options) : Adam("adam", false, std::move(groups), options) {}

Adam::Adam(const char* name, bool decoupled, std::vector<ParameterGroup> groups, AdamOptions options)
    : Optimizer(name, std::move(groups), options.lr, options.weight_decay), options_(options), decoupled_(decoupled) {
  require(options.beta1 >= 0 && options.beta1 < 1 && options.beta2 >= 0 && options.beta2 < 1, name,
          "beta1 and beta2 must lie in [0, 1), got ", options.beta1, " and ", options.beta2);
  require(options.eps > 0, name, "eps must be positive, got ", options.eps);
  add_state("exp_avg");
  add_state("exp_avg_sq");
}

void Adam::update() {
  for (const Slice& slice : slices())
    adam_update(slice.values, slice.gradients, slice.state[0], slice.state[1], slice.dynamics,
                {.beta1 = options_.beta1,
                 .beta2 = options_.beta2,
                 .eps = options_.eps,
                 .weight_decay = slice.weight_decay,
                 .decoupled = decoupled_});
}

AdamW::AdamW(const Tensors& parameters, AdamOptions options)
    : AdamW(std::vector<ParameterGroup>{{.parameters = parameters, .lr = {}, .weight_decay = {}}}, options) {}

AdamW::AdamW(std::vector<ParameterGroup> groups, AdamOptions options)
    : Adam("adamw", true, std::move(groups), options) {}

}  // namespace weft::optim
