// The program's own core/error.h: weft's file of that name must neither hide it nor be hidden by it.
#pragma once

namespace consumer {

constexpr int kExitWrong = 3;

}  // namespace consumer
