// The emulator: runs grids of CUDA threads on the host, one block after another, each thread a fiber. It looks for what
// a GPU would do wrong silently and throws Error(internal) that names kernel, block, thread and place. What it cannot
// see: TMA and wgmma (weft has none), grid-wide synchronisation, races that need a weak memory model. Launches of
// several host threads take turns on one lock.
//
// A warp runs until all its lanes wait at a barrier or have ended, then the next one does: this order shows a missing
// barrier, be it before a read or before a re-use, which round-robin would hide. WEFT_EMULATOR="order=reverse" or
// "order=shuffled,seed=7" chooses other orders, "memory=64" the device's memory in MiB.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

namespace weft::emulation {

enum class Order { forward, reverse, shuffled };  // in what order runnable warps and lanes go on

struct Options {
  Order order = Order::forward;
  std::uint64_t seed = 1;
  std::size_t memory_bytes = std::size_t{4} << 30;
};
// From WEFT_EMULATOR; a test may change order and seed.
Options& options();

// All that the emulator keeps is guarded by this one.
std::recursive_mutex& turn();

// "softmax_rows<float>, block (1, 0, 0), thread (37, 0, 0): what": the place is left out outside a kernel.
[[noreturn]] void complain(const std::string& what);
[[noreturn]] void complain(const Where& where, const std::string& what);

// --- grids (scheduler.cc)
// -----------------------------------------------------------------------------------------------

struct Grid {
  const char* kernel = nullptr;
  dim3 blocks, threads;
  std::size_t shared_bytes = 0;
};
// Runs thread() once per thread of the grid. Throws when the launch is beyond the device's limits.
void run_grid(const Grid& grid, const std::function<void()>& thread);
// The name of the kernel that is running, or null.
const char* running_kernel();

// The next piece of the block's shared memory; all threads of the block get the same one.
void* take_shared(int piece, std::size_t bytes, const Where& where);

// A function of all lanes of a warp together: each lane named in the mask gives the address of its operands, and
// combine gets all 32 addresses (null for lanes not named) when the last one has arrived.
void warp_together(unsigned mask, void* operands, void (*combine)(void* const* lanes), const Where& where);

// A copy of this thread from device to shared memory, `zeros` bytes of it filled with zeros: it lands when waited for.
void copy_later(void* to, const void* from, std::size_t bytes, std::size_t zeros, const Where& where);
void commit_copies();
void wait_for_copies(int groups_left);

// --- memory (memory.cc)
// ------------------------------------------------------------------------------------------------ A device address is
// not a host address: the host may not read or write there, and a signal says so. Kernels get the same memory at
// another address.

inline constexpr std::uint16_t kPoison = 0xFFFD;  // repeated, a quiet NaN in f16, bf16, f32 and f64
inline constexpr std::size_t kRedZone = 256;      // bytes before and at least as many behind each allocation

bool is_device_address(const void* data);
// The address kernels use; a host address stays as it is.
void* to_kernel_address(const void* data);
// Fills with poison.
void poison(void* data, std::size_t bytes);
// Notes which kernel was given memory to write to.
void note_writer(const void* data, const char* kernel);
struct Allocation {
  std::size_t bytes = 0;
  const char* writer = nullptr;
};
// The allocation that holds a device address, or null.
const Allocation* allocation_of(const void* data);

// --- streams (stream.cc)
// ------------------------------------------------------------------------------------------------

// Puts work at the end of a stream's queue, or into the graph that is being captured from it.
void submit(cudaStream_t stream, std::function<void()> work);
// The same, never captured.
void submit_uncaptured(cudaStream_t stream, std::function<void()> work);

// How often and how much has been copied to the host, for tests.
struct Readback {
  std::int64_t copies = 0, bytes = 0;
};
Readback readback();

}  // namespace weft::emulation
