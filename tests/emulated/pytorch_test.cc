// The device's kernels beside PyTorch, as tests/ops/pytorch_test.cc has it for the CPU.
#include "tests/golden/ops.h"

TEST_CASE("the device's ops are PyTorch's in every dtype, NaN and infinities included", "[golden]") {
  weft::golden::check_ops({weft::DeviceKind::emulated, 0});
}
