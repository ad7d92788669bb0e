// Prints the kernels that registered themselves, one slot a line, and exits with 0 when weft, and what the program
// adds to it, work.
#include <weft/core/kernel_slot.h>
#include <weft/core/ops/elementwise.h>
#include <weft/core/runtime/runtime.h>
#include <weft/core/tensor.h>

#include <cstdio>
#include <string>

#include "core/error.h"
#include "training.h"

namespace {

// The kernels of the CPU, and of the emulated device, whose module a shared weft opens and a static one holds.
void print_kernels() {
  weft::load_module(weft::DeviceKind::emulated);
  for (const weft::KernelSlotBase* slot : weft::kernel_slots()) {
    std::printf("%s:", slot->name());
    for (const weft::DeviceKind kind : {weft::DeviceKind::cpu, weft::DeviceKind::emulated})
      for (const std::string& candidate : slot->candidates(kind)) std::printf(" %s", candidate.c_str());
    std::printf("\n");
  }
}

bool computes_on_the_emulated_device() {
  const weft::Tensor x = weft::arange(3).to(weft::Device{weft::DeviceKind::emulated, 0});
  return (x + 1).to_vector() == std::vector<double>{1, 2, 3};
}

bool refuses_a_wrong_shape() {
  try {
    weft::arange(6).reshape({5});
  } catch (const weft::Error& error) {
    return error.kind() == weft::ErrorKind::usage;
  }
  return false;
}

}  // namespace

int main() {
  print_kernels();
  const double accuracy = consumer::train_on_rings();
  std::fprintf(stderr, "accuracy %.3f\n", accuracy);
  return accuracy > 0.9 && refuses_a_wrong_shape() && computes_on_the_emulated_device() ? 0 : consumer::kExitWrong;
}
