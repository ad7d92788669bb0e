#include "core/generator.h"

namespace weft {

Generator& default_generator() {
  thread_local Generator generator;
  return generator;
}

void manual_seed(std::uint64_t seed) { default_generator() = {.seed = seed, .next = 0}; }

}  // namespace weft
