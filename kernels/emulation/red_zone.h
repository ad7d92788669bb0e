// Behind each allocation of the emulated device lies a red zone of poison: a write beyond the end shows in it.
#pragma once

namespace weft::emulation {

// Throws when somebody wrote beyond the end of the allocation that begins at this address.
void check_red_zone(const void* data);

}  // namespace weft::emulation
