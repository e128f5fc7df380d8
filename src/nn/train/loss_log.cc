// The log of a training: one JSON object a line.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/files.h"
#include "base/json.h"
#include "lamina/train.h"

namespace lamina::train {
namespace {

std::string line_of(const LogEntry& entry) {
  std::string line = fmt::format(R"({{"step": {}, "loss": {}, "samples": {}, "seconds": {:.3f})",
                                 entry.step, entry.loss, entry.samples, entry.seconds);
  if (entry.test) {
    line += R"(, "test": true)";
  } else {
    line += fmt::format(R"(, "learning_rate": {}, "gradient_norm": {})", entry.learning_rate,
                        entry.gradient_norm);
  }
  if (entry.accuracy) line += fmt::format(R"(, "accuracy": {})", *entry.accuracy);
  return line + "}\n";
}

LogEntry entry_of(const Json& json) {
  LogEntry entry;
  entry.step = json.at("step").integer();
  entry.loss = json.at("loss").real();
  entry.samples = json.at("samples").integer();
  entry.seconds = json.at("seconds").real();
  if (const Json* test = json.find("test")) entry.test = test->flag();
  if (!entry.test) {
    entry.learning_rate = json.at("learning_rate").real();
    entry.gradient_norm = json.at("gradient_norm").real();
  }
  if (const Json* accuracy = json.find("accuracy")) entry.accuracy = accuracy->real();
  return entry;
}

// The whole lines of the file that say no later step; "" when there is no file.
std::string lines_until(const std::string& path, std::int64_t step) {
  if (step == 0 || ::access(path.c_str(), F_OK) != 0) return "";
  std::string kept;
  for (const LogEntry& entry : load_loss_log(path)) {
    if (entry.step <= step) kept += line_of(entry);
  }
  return kept;
}

}  // namespace

LossLog::LossLog(const std::string& path, std::int64_t step) : path_(path) {
  write_file_atomically(path, lines_until(path, step));
  file_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file_ < 0) fail(ErrorCode::kIo, "cannot write '{}': {}", path, std::strerror(errno));
}

LossLog::~LossLog() { ::close(file_); }

void LossLog::append(const LogEntry& entry) {
  const std::string line = line_of(entry);
  std::size_t done = 0;
  while (done < line.size()) {
    const ssize_t wrote = ::write(file_, line.data() + done, line.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail(ErrorCode::kIo, "cannot write '{}': {}", path_, std::strerror(errno));
    done += static_cast<std::size_t>(wrote);
  }
}

std::vector<LogEntry> load_loss_log(const std::string& path) {
  const std::string text = read_file(path);
  std::vector<LogEntry> entries;
  std::size_t line = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) break;  // cut short: the writer was killed
    ++line;
    try {
      entries.push_back(entry_of(Json::parse(std::string_view(text).substr(at, end - at))));
    } catch (const Error& error) {
      fail(ErrorCode::kInvalidArgument, "{}: line {}: {}", path, line, error.what());
    }
    at = end + 1;
  }
  return entries;
}

}  // namespace lamina::train
