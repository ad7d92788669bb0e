// What happens to memory of the emulated device when it changes hands. Called as work of a stream, in its order.
#pragma once

#include <cstddef>

namespace weft::emulation {

// For cudaMalloc and cudaFree: null when there is no room; false when the address was not given out.
void* take_memory(std::size_t bytes);
bool give_memory_back(void* data);
std::size_t memory_used();

// For the caching allocator: `bytes` of a block of `whole` bytes are used, from the place kRedZone behind its begin on;
// what lies before and behind is a red zone. New memory and memory taken back hold poison.
void mark_handed_out(void* block, std::size_t bytes, std::size_t whole);
void mark_taken_back(void* block, std::size_t whole);

}  // namespace weft::emulation
