// The shared memory of the block that is running: poisoned at its start, handed out in pieces with gaps between them
// that are red zones. AddressSanitizer watches them where it is there; else they are looked at when the block
// ends.
#pragma once

#include <cstddef>

namespace weft::emulation {

void begin_shared_memory(std::size_t bytes);
// Throws when a gap was written to.
void check_shared_memory();

}  // namespace weft::emulation
