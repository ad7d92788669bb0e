#include "optim/optim.h"

#include "core/suggest.h"

namespace weft::optim {

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& o, std::vector<ParameterGroup> groups) {
  const bool sgd = o.name == "sgd";
  if (!sgd && o.name != "adam" && o.name != "adamw")
    fail(ErrorKind::usage, "optimizer", "unknown optimizer '", o.name, "'", suggestion(o.name, optimizer_names()));
  require(sgd || (o.momentum == 0 && !o.nesterov), o.name, "momentum and nesterov are options of sgd");
  if (sgd)
    return std::make_unique<SGD>(
        std::move(groups),
        SGDOptions{.lr = o.lr, .momentum = o.momentum, .weight_decay = o.weight_decay, .nesterov = o.nesterov});
  const AdamOptions adam{.lr = o.lr, .weight_decay = o.weight_decay};
  if (o.name == "adam") return std::make_unique<Adam>(std::move(groups), adam);
  return std::make_unique<AdamW>(std::move(groups), adam);
}

std::vector<std::string> optimizer_names() { return {"sgd", "adam", "adamw"}; }

}  // namespace weft::optim
