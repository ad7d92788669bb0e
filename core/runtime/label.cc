#include "core/runtime/label.h"

namespace weft {
namespace {

constinit thread_local const char* label = "weights and others";

}  // namespace

const char* current_label() { return label; }
Label::Label(const char* text) : outer_(label) { label = text; }
Label::~Label() { label = outer_; }

}  // namespace weft
