// What the local response normalisations of all backends share: s^-beta, and which channels meet in a window.
#pragma once

#include "core/ops/local_response_norm.h"
#include "kernels/elementary.h"

namespace weft {

// A kernel argument. The window of channel c reaches from c - before to c + after; those that hold c are the windows of
// c - after … c + before.
template <typename C>
struct Response {
  int before, after;
  C scale, beta, k;  // scale = alpha / size

  explicit Response(const LocalResponseNormOptions& o)
      : before(o.size / 2), after((o.size - 1) / 2), scale(C(o.alpha / o.size)), beta(C(o.beta)), k(C(o.k)) {}

  WEFT_HOST_DEVICE C base(C sum_of_squares) const { return k + scale * sum_of_squares; }
  // s^-beta, s > 0.
  WEFT_HOST_DEVICE C power(C s) const {
    if (beta != C(0.75)) return functors::exp(-beta * functors::log(s));
    const C root = C(1) / std::sqrt(s);
    return root * std::sqrt(root);
  }
};

}  // namespace weft
