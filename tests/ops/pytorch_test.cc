// Pooling, padding, activations, normalisations and all that ends in a ReLU beside PyTorch: tests/golden/ops.h.
#include "tests/golden/ops.h"

TEST_CASE("ops and their gradients are PyTorch's in every dtype, NaN and infinities included", "[golden][C7][C8][B1]") {
  weft::golden::check_ops({});
}
