// Prints the kernels that registered themselves, one slot a line, and exits with 0 when weft, and what the program
// adds to it, work.
#include <weft/core/kernel_slot.h>
#include <weft/core/tensor.h>

#include <cstdio>
#include <string>

#include "core/error.h"
#include "training.h"

namespace {

void print_kernels() {
  for (const weft::KernelSlotBase* slot : weft::kernel_slots()) {
    std::printf("%s:", slot->name());
    for (const std::string& candidate : slot->candidates(weft::DeviceKind::cpu)) std::printf(" %s", candidate.c_str());
    std::printf("\n");
  }
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
  return accuracy > 0.9 && refuses_a_wrong_shape() ? 0 : consumer::kExitWrong;
}
