// The exception, and the one table from error codes to exit statuses.
#include "lamina/error.h"

namespace lamina {
namespace {

constexpr std::size_t kMaxMessage = 1000;

std::string one_line(const std::string& message) {
  std::string line = message.substr(0, kMaxMessage);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = ' ';
  }
  return line.size() < message.size() ? line + "..." : line;
}

}  // namespace

Error::Error(ErrorCode code, const std::string& message)
    : std::runtime_error(one_line(message)), code_(code) {}

int exit_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return 2;
    case ErrorCode::kNotFound:
      return 3;
    case ErrorCode::kUnsupported:
      return 4;
    case ErrorCode::kExhausted:
      return 5;
    case ErrorCode::kIo:
      return 6;
    case ErrorCode::kInternal:
      return 70;
  }
  return 70;
}

}  // namespace lamina
