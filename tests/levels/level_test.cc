#include "kernels/levels.h"

#include <cstdlib>
#include <string>

#include "core/kernel_slot.h"
#include "core/ops/loss.h"
#include "tests/catch.h"

using namespace weft;

TEST_CASE("one level registers its kernels: the best of this CPU, or the one asked for") {
  const char* wish = std::getenv("WEFT_CPU_LEVEL");
  const std::string level(cpu_level());
  INFO("the level is " << level);
#if defined(__x86_64__)
  const std::string best = __builtin_cpu_supports("avx512vl") ? "avx512" : "v3";
  CHECK((level == "generic" || level == (wish && std::string(wish) == "v3" ? "v3" : best)));
#else
  CHECK(level == "generic");
#endif
  for (const KernelSlotBase* slot : kernel_slots()) {
    const auto names = slot->candidates(DeviceKind::cpu);
    INFO(slot->name());
    for (std::size_t i = 1; i < names.size(); ++i) CHECK(names[i - 1] != names[i]);
  }
}

TEST_CASE("an exception leaves the code of a level as it leaves any other") {
  const Tensor logits = zeros({2, 3});
  const Tensor classes = tensor({2}, {0, 7}, {.dtype = DType::i64});
  try {
    cross_entropy(logits, classes);
    FAIL("a class index outside the classes was accepted");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::data);
    CHECK_THAT(error.what(), contains("class index 7 at position 1"));
  }
}
