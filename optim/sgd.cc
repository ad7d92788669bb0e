#include "optim/sgd.h"

#include "core/ops/update.h"

namespace weft::optim {

SGD::SGD(const Tensors& parameters, SGDOptions options)
    : SGD(std::vector<ParameterGroup>{{.parameters = parameters, .lr = {}, .weight_decay = {}}}, options) {}

SGD::SGD(std::vector<ParameterGroup> groups, SGDOptions options)
    : Optimizer("sgd", std::move(groups), options.lr, options.weight_decay), options_(options) {
  require(options.momentum >= 0, "sgd", "the momentum must not be negative, got ", options.momentum);
  require(!options.nesterov || options.momentum > 0, "sgd", "nesterov needs a momentum");
  require(options.max_norm >= 0, "sgd", "max_norm must not be negative, got ", options.max_norm);
  if (options.momentum > 0) add_state("momentum");
}

void SGD::update() {
  for (const Slice& slice : slices()) {
    sgd_update(slice.values, slice.gradients, slice.state.empty() ? Tensor{} : slice.state[0], slice.dynamics,
               {.momentum = options_.momentum, .weight_decay = slice.weight_decay, .nesterov = options_.nesterov});
    if (options_.max_norm > 0) clip_by_norm({&slice.values, 1}, options_.max_norm);
  }
}

}  // namespace weft::optim
