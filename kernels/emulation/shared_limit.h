// What the emulated device offers, where GPUs differ and kernels choose by it.
#pragma once

#include <cstddef>

namespace weft::emulation {

// Bytes of shared memory that a block may have: 227 KiB as on an H100, or WEFT_EMULATOR="shared=99" as on an RTX 4090.
std::size_t shared_limit();

}  // namespace weft::emulation
