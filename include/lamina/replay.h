// Replaying the report of an identity check.
//
// A report (Verdict::to_json) lists what every pass drew and a digest of what it computed. replay()
// draws the same again from the seeds and evaluates both graphs once more, bit for bit, with plain
// arithmetic that shares no code with the fast one. docs/design/verify.md, "Replay", says what it
// proves.
#pragma once

#include <string>
#include <string_view>

#include "lamina/graph.h"
#include "lamina/verify.h"

namespace lamina {

struct Replay {
  int passes = 0;           // evaluated again
  std::string discrepancy;  // the first one, one line; empty: all values agree with the report
};

// `a` and `b` are the graphs of the check; of the options `match_names` and `shrink` count. Throws
// kInvalidArgument for what is no report of a check with passes.
Replay replay(const Graph& a, const Graph& b, std::string_view report,
              const VerifyOptions& options = {});

}  // namespace lamina
