#include "train/signals.h"

#include <unistd.h>

#include <atomic>

#include "core/error.h"

namespace weft::train {
namespace {

constexpr int kInterruptedExit = 130;

std::atomic<int> received_signal{0};
std::atomic<bool> listening{false};
static_assert(std::atomic<int>::is_always_lock_free);  // the handler may touch nothing else

void remember(int signal) {
  const int before = received_signal.exchange(signal);
  if (before == SIGINT && signal == SIGINT) ::_exit(kInterruptedExit);
}

}  // namespace

StopSignals::StopSignals() {
  require(!listening.exchange(true), "signals", "another run in this process listens already");
  received_signal = 0;
  struct sigaction action {};
  action.sa_handler = remember;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGTERM, &action, &outer_term_);
  ::sigaction(SIGINT, &action, &outer_interrupt_);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGXFSZ, &action, &outer_file_size_);
}

StopSignals::~StopSignals() {
  ::sigaction(SIGTERM, &outer_term_, nullptr);
  ::sigaction(SIGINT, &outer_interrupt_, nullptr);
  ::sigaction(SIGXFSZ, &outer_file_size_, nullptr);
  listening = false;
}

int StopSignals::received() const { return received_signal.load(std::memory_order_relaxed); }

}  // namespace weft::train
