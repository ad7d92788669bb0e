// The emulator's half of kernels/cuda/launch.h: a launch becomes work of a stream, with its arguments copied and device
// addresses replaced by those that kernels use; shared memory is handed out by the emulator, with gaps between pieces.
#pragma once

#include <string_view>
#include <tuple>

#include "kernels/emulation/emulation.h"

namespace weft::cuda::WEFT_CUDA_BUILD {

// "softmax_rows<float>", cut out of the name that the compiler gives a function over the kernel.
inline std::string kernel_name(std::string text) {
  constexpr std::string_view begin = "Kernel = ";
  text.erase(0, text.find(begin) + begin.size());
  text.erase(text.find_last_of("];"));
  for (const std::string_view noise : {"weft::cuda::emulated::", "{anonymous}::", "(anonymous namespace)::", "weft::"})
    for (auto at = text.find(noise); at != text.npos; at = text.find(noise)) text.erase(at, noise.size());
  return text;
}
template <auto Kernel>
const char* kernel_name() {
  static const std::string name = kernel_name(__PRETTY_FUNCTION__);
  return name.c_str();
}

// Pointers, wherever they are in an argument, as kernels use them.
template <typename T>
T kernel_argument(T argument) {
  if constexpr (std::is_pointer_v<T>)
    return static_cast<T>(emulation::to_kernel_address(argument));
  else if constexpr (requires { argument.each_pointer([](auto&) {}); })
    argument.each_pointer([](auto& pointer) { pointer = kernel_argument(pointer); });
  return argument;
}
template <typename T>
void note_outputs(T argument, const char* kernel) {
  if constexpr (std::is_pointer_v<T>) {
    if constexpr (!std::is_const_v<std::remove_pointer_t<T>>) emulation::note_writer(argument, kernel);
  } else if constexpr (requires { argument.each_pointer([](auto&) {}); }) {
    argument.each_pointer([&](auto& pointer) { note_outputs(pointer, kernel); });
  }
}

template <auto Kernel, typename... Parameters>
void start(const LaunchShape& shape, cudaStream_t stream, Parameters... args) {
  const emulation::Grid grid{kernel_name<Kernel>(), shape.blocks, shape.threads, shape.shared_bytes};
  emulation::submit(stream, [grid, args...] {
    const std::tuple<Parameters...> here{kernel_argument(args)...};
    emulation::run_grid(grid, [&here] { std::apply(Kernel, here); });
    (note_outputs(args, grid.kernel), ...);
  });
}

class SharedMemory {
 public:
  template <typename T>
  T* array(int n, emulation::Where where = emulation::Where::current()) {
    return static_cast<T*>(emulation::take_shared(pieces_++, static_cast<std::size_t>(n) * sizeof(T), where));
  }

 private:
  int pieces_ = 0;
};

}  // namespace weft::cuda::WEFT_CUDA_BUILD
