// One line on a terminal.
#include "base/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace lamina {
namespace {

constexpr std::chrono::milliseconds kInterval(100);
constexpr int kFallbackColumns = 80;

int terminal_columns(int descriptor) {
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kFallbackColumns;
  return size.ws_col;
}

}  // namespace

std::string progress_text(std::string_view text, int columns) {
  std::string line(text.substr(0, static_cast<std::size_t>(std::max(columns - 1, 0))));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 32; }, ' ');
  return line;
}

ProgressLine::ProgressLine(int descriptor)
    : descriptor_(descriptor), terminal_(isatty(descriptor) == 1) {}

void ProgressLine::show(std::string_view text) {
  const auto now = std::chrono::steady_clock::now();
  if (!terminal_ || (shown_ && now - last_ < kInterval)) return;
  put("\r\x1b[K" + progress_text(text, terminal_columns(descriptor_)));
  shown_ = true;
  last_ = now;
}

void ProgressLine::clear() {
  if (shown_) put("\r\x1b[K");
  shown_ = false;
}

// Progress is a courtesy: a terminal that fails is not an error.
void ProgressLine::put(std::string_view bytes) const {
  [[maybe_unused]] const auto written = write(descriptor_, bytes.data(), bytes.size());
}

}  // namespace lamina
