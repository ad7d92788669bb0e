// Arena: the parameters of one dtype and device, and their gradients, each in one flat range of memory, in reverse
// member order (the order in which backward completes them). The optimizers build it; updates, gradient buckets and
// checkpoints then work on a few large ranges. A parameter keeps its own Storage (own version) over its range.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor.h"

namespace weft {

struct ArenaRange {
  std::int64_t begin = 0, end = 0;  // elements
};

class WEFT_API Arena {
 public:
  // Moves the parameters (leaves that want gradients, same dtype and device, member order) into flat memory: groups
  // one after another, each in reverse order. Their values, and gradients collected so far, come along.
  explicit Arena(std::span<const std::vector<Tensor>> groups);

  const Tensor& values() const { return values_; }        // (elements,)
  const Tensor& gradients() const { return gradients_; }  // (elements,)
  const std::vector<ArenaRange>& groups() const { return groups_; }
  const std::vector<ArenaRange>& parameters() const { return ranges_; }  // in memory order, padding left out
  // Throws Error(usage) when a parameter no longer lives where the arena put it (the module was moved).
  void check_in_place(std::string_view op) const;
  // Gradients that backward has not written since zero_grad() become zeros, so that flat updates can read them all.
  void complete_gradients() const;
  void zero_grad() const;

 private:
  Tensor values_, gradients_;
  std::vector<ArenaRange> groups_, ranges_;
  std::vector<Tensor> tensors_;  // the parameters, in memory order
};

}  // namespace weft
