// All optimizers and schedules behind one include, and an optimizer by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "optim/adam.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "optim/sgd.h"

namespace weft::optim {

// An optimizer with the options of the command line; those of no meaning to it must keep their defaults.
struct OptimizerOptions {
  std::string name = "sgd";  // sgd adam adamw
  double lr = 0.01;
  double momentum = 0;
  bool nesterov = false;
  double weight_decay = 0;
};
WEFT_API std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, std::vector<ParameterGroup> groups);
WEFT_API std::vector<std::string> optimizer_names();

}  // namespace weft::optim
