// What the emulator is told of memory, and asked about it: when a block changes hands, before the host reads a tensor.
// On a GPU nothing of this costs anything. <weft_marks.h> is the part that differs; the include path chooses it.
#pragma once

// kRedZone; handed_out, taken_back(address, bytes, stream, captured); check_written(tensor).
#include <weft_marks.h>
