// A net as a table that a person reads: its layers, or where these are many, its blocks with what they are made of.
#pragma once

#include <string>

#include "models/registry.h"
#include "nn/module.h"

namespace weft::tools {

// input_shape is that of one sample. All layers when `whole`; else at most about sixty rows: neighbours that share the
// longest start of their names that allows it become one. No trailing newline.
std::string net_table(nn::Module& net, const Shape& input_shape, bool whole);

}  // namespace weft::tools
