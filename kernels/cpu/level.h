// The instruction level a CPU kernel file is compiled for. Each file of this folder is compiled once per level, in
// the namespace weft::cpu::<level>; the level's objects are linked into one object whose symbols are all local, and
// its registrations run only on a machine that has the instructions (kernels/levels.cc). A level is never mixed with
// another: nothing of it is visible outside.
#pragma once

#include "core/device.h"

#if !defined(WEFT_CPU_LEVEL)
#error "compiled per instruction level: see the kernels part of CMakeLists.txt"
#endif

namespace weft::cpu::WEFT_CPU_LEVEL {

inline constexpr DeviceKind kThisDevice = DeviceKind::cpu;

}  // namespace weft::cpu::WEFT_CPU_LEVEL
