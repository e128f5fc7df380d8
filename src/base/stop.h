// Ctrl-C as a stop token: long work ends early and keeps its best result.
#pragma once

#include <signal.h>

#include <stop_token>
#include <thread>

namespace lamina {

// While it lives, the first SIGINT requests a stop instead of ending the process; the second one
// ends it. Create it before other threads: they inherit the mask that leaves the signal to it. One
// at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  bool requested() const { return source_.stop_requested(); }

 private:
  void wait(const std::stop_token& done);

  std::stop_source source_;
  sigset_t old_mask_{};
  std::jthread waiter_;
};

}  // namespace lamina
