#include "nn/memory_format.h"

namespace weft::nn {

std::string ToMemoryFormat::options() const { return message(format_); }

}  // namespace weft::nn
