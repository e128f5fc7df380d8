// A limit on the time of a search, looked at inside its loops.
#pragma once

#include <chrono>

namespace lamina::pipeline {

class Deadline {
 public:
  // From now on; 0: there is none.
  explicit Deadline(double limit_s) : limit_s_(limit_s) {}

  bool passed() const {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
    return limit_s_ > 0.0 && spent.count() > limit_s_;
  }
  double limit_s() const { return limit_s_; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double limit_s_ = 0.0;
};

}  // namespace lamina::pipeline
