// The flags that name a trained net, shared by eval and predict: --weights FILE with a model's settings, or --run DIR.
#pragma once

#include <string>

#include "tools/flags.h"

namespace weft::cli {

class WeightsFlags {
 public:
  enum class Data { needed, optional };  // optional: without --data the net is the model's own
  explicit WeightsFlags(Flags& flags, Data data = Data::needed);
  // The run's own config (with --run) < flags; `pretrained` names the weights. Call after flags.parse().
  train::Config config(const Flags& flags) const;
  bool of_run() const { return !run_.empty(); }

 private:
  Data data_;
  std::string weights_, run_;
};

}  // namespace weft::cli
