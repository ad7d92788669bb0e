// Images that weft makes from a seed, by name: `synthetic` for benchmarks and `shapes` to learn from. Every image is a
// pure function of (seed, index); nothing is read from disk.
#pragma once

#include "data/registry.h"

namespace weft::data {

// Uniformly random bytes and labels: nothing to learn, any shape, for benchmarks.
WEFT_API const Facts& synthetic_facts();
WEFT_API DatasetPtr open_synthetic(const OpenOptions& options);

WEFT_API const Facts& shapes_facts();
WEFT_API DatasetPtr open_shapes(const OpenOptions& options);

}  // namespace weft::data
