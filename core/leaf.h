// Leaf: what a tensor carries whose gradient the user wants: the gradient, where it is written, and hooks. Internal
// to core's autograd; other code uses core/autograd.h.
#pragma once

#include <functional>
#include <vector>

#include "core/tensor.h"

namespace weft {

struct Leaf {
  bool wanted = false;    // set_requires_grad
  bool filled = false;    // gradient holds a value since zero_grad()
  bool in_arena = false;  // gradient's memory was given by set_gradient_memory()
  Tensor gradient;
  // What autocast made of the values, and of which: address, version, and epoch of recordings (core/runtime/capture.h).
  struct Converted {
    Tensor copy;
    const void* source = nullptr;
    std::uint32_t version = 0;
    std::uint64_t epoch = 0;
  };
  Converted converted;
  std::vector<std::function<void(const Tensor&)>> hooks;
  std::uint32_t waiting = 0;  // contributions still to come in backward pass `pass`; the engine's
  std::uint64_t pass = 0;
};

}  // namespace weft
