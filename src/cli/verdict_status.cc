// Exit statuses of verdicts.
#include "cli/verdict_status.h"

#include "cli/command.h"
#include "lamina/error.h"

namespace lamina::cli {

int exit_status(Outcome outcome) {
  switch (outcome) {
    case Outcome::kEquivalent:
      return kYes;
    case Outcome::kDifferent:
      return kNo;
    case Outcome::kInconclusive:
      return kInconclusive;
    case Outcome::kUnsupported:
      return lamina::exit_status(ErrorCode::kUnsupported);
  }
  return lamina::exit_status(ErrorCode::kInternal);
}

}  // namespace lamina::cli
