// Generator: hands out fresh random streams; its state (seed and the next number per purpose) is two words a
// checkpoint keeps. The process has one default generator per thread of training.
#pragma once

#include <cstdint>

#include "core/export.h"
#include "core/random.h"

namespace weft {

struct Generator {
  std::uint64_t seed = 0;
  std::uint64_t next = 0;  // streams handed out so far
  // While a step is being recorded: RandomStream::advance of the streams handed out. No part of the state.
  const std::uint64_t* advance = nullptr;

  RandomStream fresh(RandomPurpose purpose) { return {seed, stream_number(purpose, next++), advance}; }
};

// The calling thread's generator: initialisation and dropout draw from it. Seeded with 0 until seed() is called.
WEFT_API Generator& default_generator();
WEFT_API void manual_seed(std::uint64_t seed);

}  // namespace weft
