// The one exception type of Lamina and its codes.
#pragma once

#include <stdexcept>
#include <string>

namespace lamina {

// What went wrong, as far as a caller can act on it. One table (exit_status) maps codes to the
// exit status of the command line; the HTTP and Python edges map the same codes.
enum class ErrorCode {
  kInvalidArgument,  // the caller's input is malformed or inconsistent
  kNotFound,         // a named file, value or operator does not exist
  kUnsupported,      // well-formed input that Lamina has no implementation for
  kExhausted,        // a limit of time, memory or attempts was reached
  kIo,               // reading or writing a file failed
  kInternal,         // a broken invariant of Lamina itself
};

// Thrown by every function of Lamina that cannot do what was asked. The message says what was
// expected and what came. It may quote hostile input, so control characters become spaces and the
// length is limited: it is always one line.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message);

  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

// The exit status of a command that ends with `code`: 2 invalid argument, 3 not found,
// 4 unsupported, 5 exhausted, 6 input/output, 70 internal. (0 is yes/ok, 1 is no/different.)
int exit_status(ErrorCode code);

}  // namespace lamina
