// A thread that waits for SIGINT: no handler, so no code that must be safe inside one.
#include "base/stop.h"

#include <ctime>

namespace lamina {
namespace {

constexpr long kPollNanoseconds = 50'000'000;

sigset_t only_sigint() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

Interrupt::Interrupt() {
  const sigset_t set = only_sigint();
  pthread_sigmask(SIG_BLOCK, &set, &old_mask_);
  waiter_ = std::jthread([this](const std::stop_token& done) { wait(done); });
}

Interrupt::~Interrupt() {
  waiter_.request_stop();
  waiter_.join();
  pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

void Interrupt::wait(const std::stop_token& done) {
  const sigset_t set = only_sigint();
  const timespec poll{0, kPollNanoseconds};
  while (!done.stop_requested()) {
    if (sigtimedwait(&set, nullptr, &poll) != SIGINT) continue;
    if (source_.request_stop()) continue;
    // The second one: die of the signal, as the shell expects.
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    raise(SIGINT);
  }
}

}  // namespace lamina
