// Stands in for the toolkit's <cuda_profiler_api.h> under the host emulator.
#pragma once

#include "kernels/emulation/runtime_api.h"
