#include "kernels/levels.h"

#include <cstdlib>

#include "core/log.h"

// The registrations of a level, ended by a null; where the kernels are compiled once there are no such lists.
extern "C" {
using Initialiser = void (*)();
[[gnu::weak, gnu::visibility("hidden")]] extern Initialiser weft_init_v3[];
[[gnu::weak, gnu::visibility("hidden")]] extern Initialiser weft_init_avx512[];
}

namespace weft {
namespace {

#if defined(__x86_64__)
bool cpu_has_v3() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2");
}
bool cpu_has_avx512() {
  return cpu_has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#else
bool cpu_has_v3() { return false; }
bool cpu_has_avx512() { return false; }
#endif

// The best level of this CPU, or the lesser one that WEFT_CPU_LEVEL names (for tests).
std::string_view choose_level() {
  if (weft_init_v3 == nullptr) return "generic";
  const char* wish = std::getenv("WEFT_CPU_LEVEL");
  const std::string_view wanted = wish ? wish : "";
  if (!wanted.empty() && wanted != "v3" && wanted != "avx512")
    warn("WEFT_CPU_LEVEL: needs v3 or avx512, got ", wanted, "; it is ignored");
  if (cpu_has_avx512() && wanted != "v3") return "avx512";
  if (wanted == "avx512") warn("WEFT_CPU_LEVEL: this CPU has no AVX-512; v3 is used");
  if (cpu_has_v3()) return "v3";
  warn("this CPU has no AVX2 and FMA, so no CPU kernel can run; build weft with -DWEFT_CPU_LEVELS=generic");
  return "none";
}

void run(Initialiser* initialiser) {
  for (; *initialiser; ++initialiser) (*initialiser)();
}

// Slots are ready before any code runs (constinit), so it does not matter when this comes among the initialisers.
const std::string_view chosen = [] {
  const std::string_view level = choose_level();
  if (level == "avx512") run(weft_init_avx512);
  if (level == "v3") run(weft_init_v3);
  return level;
}();

}  // namespace

std::string_view cpu_level() { return chosen; }

}  // namespace weft
