// The label of what this thread is doing, such as a layer's name: memory that is allocated meanwhile is booked to it.
#pragma once

#include "core/export.h"

namespace weft {

// "weights and others" outside any label. Labels are string literals, or live as long as the process.
WEFT_API const char* current_label();

class WEFT_API Label {
 public:
  explicit Label(const char* text);
  ~Label();
  Label(const Label&) = delete;
  Label& operator=(const Label&) = delete;

 private:
  const char* outer_;
};

}  // namespace weft
