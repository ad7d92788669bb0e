// Checkpointing (Chen, Xu, Zhang, Guestrin, "Training deep nets with sublinear memory cost", 2016): a segment of a net
// whose activations are not kept but computed again when backward reaches it. A chain of n layers cut into √n segments
// keeps about 2 √n activations instead of n, for one more forward pass.
#pragma once

#include <functional>

#include "core/tensor.h"

namespace weft {

// segment(x), of which only x is kept for backward. The first gradient that needs something from within runs the
// segment again: with the same random numbers from default_generator() and without moving running statistics, so values
// and gradients have the bits of segment(x). The segment must compute the same from the same x both times, must outlive
// backward, and may not write to x. Where nothing wants a gradient this is segment(x); so it is within another segment,
// which then computes all of it again.
WEFT_API Tensor checkpoint(const std::function<Tensor(const Tensor& x)>& segment, const Tensor& x);

// Whether this thread runs a segment for the second time: what counts calls then looks away.
WEFT_API bool recomputing();

}  // namespace weft
