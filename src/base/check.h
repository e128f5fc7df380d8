// require(): the caller's mistake. check(): ours. fail(): any other error. All stay on in release.
#pragma once

#include <fmt/core.h>

#include <string>
#include <type_traits>
#include <utility>

#include "lamina/error.h"

namespace lamina {

// A compile-time checked format string that also remembers where it was written.
template <class... Args>
struct LocatedFormat {
  template <class Text>
  consteval LocatedFormat(const Text& text, const char* from_file = __builtin_FILE(),
                          int from_line = __builtin_LINE())
      : format(text), file(from_file), line(from_line) {}

  fmt::format_string<Args...> format;
  const char* file;
  int line;
};

// Throws an Error with `code` and the formatted message.
template <class... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

// Throws kInvalidArgument unless `ok`: the caller gave something that cannot be used.
template <class... Args>
void require(bool ok, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok) fail(ErrorCode::kInvalidArgument, format, std::forward<Args>(args)...);
}

// Throws kInternal with the source position unless `ok`: an invariant of Lamina is broken.
template <class... Args>
void check(bool ok, LocatedFormat<std::type_identity_t<Args>...> text, Args&&... args) {
  if (ok) return;
  const std::string message = fmt::format(text.format, std::forward<Args>(args)...);
  throw Error(ErrorCode::kInternal,
              fmt::format("internal error at {}:{}: {}", text.file, text.line, message));
}

}  // namespace lamina
