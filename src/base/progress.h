// One line on a terminal that says how far long work is.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace lamina {

// Overwrites one line of the terminal at `descriptor` (standard error), at most ten times a second,
// and removes it at the end. Does nothing when the descriptor is no terminal.
class ProgressLine {
 public:
  explicit ProgressLine(int descriptor = 2);
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(std::string_view text);
  // Removes the line, before other output.
  void clear();

 private:
  void put(std::string_view bytes) const;

  int descriptor_;
  bool terminal_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_;
};

// `text` in at most `columns` columns, without control characters.
std::string progress_text(std::string_view text, int columns);

}  // namespace lamina
