// Prints the kernels that registered themselves, one slot a line, and exits with 0 when weft computes right.
#include <weft/core/kernel_slot.h>
#include <weft/core/tensor.h>

#include <cstdio>
#include <string>

#include "core/error.h"

int main() {
  for (const weft::KernelSlotBase* slot : weft::kernel_slots()) {
    std::printf("%s:", slot->name());
    for (const std::string& candidate : slot->candidates(weft::DeviceKind::cpu)) std::printf(" %s", candidate.c_str());
    std::printf("\n");
  }
  const weft::Tensor x = weft::tensor({{2, 3}}, {1, 2, 3, 4, 5, 6});
  const bool right = x.transpose().clone().to_vector() == std::vector<double>{1, 4, 2, 5, 3, 6};
  try {
    x.reshape({5});
  } catch (const weft::Error& error) {
    return right && error.kind() == weft::ErrorKind::usage ? 0 : consumer::kExitWrong;
  }
  return consumer::kExitWrong;
}
