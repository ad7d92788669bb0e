// Signals: while a StopSignals lives, SIGTERM and SIGINT only ask the run to stop, and a second SIGINT ends the process
// at once with exit code 130. A file-size limit becomes a failed write instead of a death. One at a time per process.
#pragma once

#include <csignal>

#include "core/export.h"

namespace weft::train {

class WEFT_API StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // The signal that asked, or 0.
  int received() const;

 private:
  struct sigaction outer_term_ {
  }, outer_interrupt_{}, outer_file_size_{};
};

}  // namespace weft::train
